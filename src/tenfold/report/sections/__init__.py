"""The sections of the report, one a file: from values to what the templates show, without any HTML."""
