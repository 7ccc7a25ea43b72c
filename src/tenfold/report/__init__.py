"""Figures and pages: what a run looks like to people."""

from tenfold.report.page import write_report

__all__ = ["write_report"]
