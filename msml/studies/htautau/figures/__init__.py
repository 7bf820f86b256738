"""The figures of the paper, and those of an evaluation that show momenta."""

from msml.studies.htautau.figures import fig2, fig3, fig4, fig5, fig6, fig7, fig8

__all__ = ["fig2", "fig3", "fig4", "fig5", "fig6", "fig7", "fig8"]
