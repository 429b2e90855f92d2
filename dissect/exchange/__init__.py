"""Files in and out: the static report of a run, and its units as CSV, JSON lines or Parquet."""

from dissect.exchange.from_store import report_view
from dissect.exchange.report import write_report
from dissect.exchange.tables import export_csv, export_jsonl, export_parquet
from dissect.exchange.view import ReportRun

__all__ = ["ReportRun", "export_csv", "export_jsonl", "export_parquet", "report_view", "write_report"]
