"""What is in an event file: numbers, tables for people and one page of figures."""

from msml.report.events.page import draw_page
from msml.report.events.summary import EventSummary, summarise
from msml.report.events.table import print_summary

__all__ = ["EventSummary", "draw_page", "print_summary", "summarise"]
