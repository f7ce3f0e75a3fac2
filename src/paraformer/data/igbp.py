"""Names and numbers of the IGBP land cover classes, for every table that has them.

Source: Loveland, T. R. and Belward, A. S. (1997), Int. J. Remote Sens. 18, 3289-3295: 1 to 16 land, 17 water bodies.
Collections 5 and older of MODIS, and SMAP's ancillary data, count water as 0; MCD12Q1 since collection 6 as 17.
"""

from __future__ import annotations

IGBP_CLASSES = (
    "water",
    "evergreen needleleaf forest",
    "evergreen broadleaf forest",
    "deciduous needleleaf forest",
    "deciduous broadleaf forest",
    "mixed forest",
    "closed shrubland",
    "open shrubland",
    "woody savanna",
    "savanna",
    "grassland",
    "permanent wetland",
    "cropland",
    "urban",
    "cropland and natural vegetation",
    "snow and ice",
    "barren",
    "water",
)
"""Names of the classes 0 to 17; 0 and 17 are both water."""

WATER, BARREN, WATER_BODIES = 0, 16, 17
"""Open water, which is no land, and its other number; bare soil, which is VIC's tile without plants."""
