"""What is in an event file: numbers, tables for people and one page of figures."""

from msml.studies.htautau.events.page import draw_page
from msml.studies.htautau.events.summary import EventSummary, summarise
from msml.studies.htautau.events.table import print_summary

__all__ = ["EventSummary", "draw_page", "print_summary", "summarise"]
