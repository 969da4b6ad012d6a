"""Sections of the pages: records in, what a template shows out."""
