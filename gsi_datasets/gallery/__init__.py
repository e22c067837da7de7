"""What people look at: a contact sheet and a page of a built data set, with nothing to install or to serve.

write_sheet(rows, "sheet.png", "gsi_syn_table")
write_page(rows, rejections, read_manifest(path), "page.html")
"""

from __future__ import annotations

from gsi_datasets.gallery.page import html_page, write_page
from gsi_datasets.gallery.sheet import contact_sheet, write_sheet


__all__ = ["contact_sheet", "html_page", "write_page", "write_sheet"]
