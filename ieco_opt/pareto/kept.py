"""What questions about one scenario keep for those after them."""

from __future__ import annotations

from ieco_opt.design_space.kept import KeptSpaces
from ieco_opt.pareto.describe import Configurations
from ieco_opt.programs.kept import KeptPrograms


class Kept(KeptSpaces):
    """The design space of a scenario, the programs of its steps, and what is said of its configurations."""

    def __init__(self) -> None:
        super().__init__()
        self.programs = KeptPrograms()
        self.configurations = Configurations()
