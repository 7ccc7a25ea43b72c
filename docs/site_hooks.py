"""What mkdocs needs besides the pages: the files of the repository's root as pages, and links that lead to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie in the root."""
    for name, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links that are right in the repository into links that are right in the site."""
    from_root = page.file.src_uri in ROOT_PAGES.values()
    up = "../" * page.file.src_uri.count("/")

    def moved(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target:
            return match[0]
        path = target if from_root else (Path("docs") / Path(page.file.src_uri).parent / target).as_posix()
        parts: list[str] = []
        for part in path.split("/"):
            parts = parts[:-1] if part == ".." else [*parts, part] if part != "." else parts
        clean = "/".join(parts)
        if clean in ROOT_PAGES:
            return f"{match[1]}{up}{ROOT_PAGES[clean]}{match[3]}"
        if clean.startswith("docs/"):
            return f"{match[1]}{up}{clean.removeprefix('docs/')}{match[3]}" if from_root else match[0]
        if clean in ("recipes", "recipes/"):
            return f"{match[1]}{up}recipes.md{match[3]}"
        return (
            f"{match[1]}{up}readme.md{match[3]}"
            if not (ROOT / clean).exists()
            else f"{match[1]}{up}contributing.md{match[3]}"
        )

    return LINK.sub(moved, markdown)
