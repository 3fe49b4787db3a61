"""Figures of other tools as operating points, and the fleet that plans over them."""

from ieco_opt.importing.aiconfigurator import AicFigures, read_aic
from ieco_opt.importing.fleet import Asked, fleet_mapping, pool_of, with_points
from ieco_opt.importing.points import points_csv
from ieco_opt.importing.tables import FIELDS, TableFigures, read_table

__all__ = [
    "FIELDS",
    "AicFigures",
    "Asked",
    "TableFigures",
    "fleet_mapping",
    "points_csv",
    "pool_of",
    "read_aic",
    "read_table",
    "with_points",
]
