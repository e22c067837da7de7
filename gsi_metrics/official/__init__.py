"""Exchange with the published benchmark: its archives and folders become our rows, our rows its folders.

convert("fine_dataset.zip", "data")  # rows of our schema, with the published ids
write(open_rows("data", "gsi_syn_table"), "official")  # pictures and JSON files as the published evaluation reads them
"""

from __future__ import annotations

from gsi_metrics.official.errors import OfficialError


__all__ = ["OfficialError"]
