"""How the archives ask their products to be cited, by DOI: what the readers' attribute ``source`` names."""

from __future__ import annotations

_NSIDC = "NASA National Snow and Ice Data Center Distributed Active Archive Center."
_LPDAAC = "NASA EOSDIS Land Processes Distributed Active Archive Center."
_SMAP_AUTHORS = "O'Neill, P. E., Chan, S., Njoku, E. G., Jackson, T., Bindlish, R., Chaubell, J. and Colliander, A."

CITATIONS = {
    "10.5067/4DQ54OUIJ9DL": f"{_SMAP_AUTHORS} (2021). SMAP Enhanced L3 Radiometer Global and Polar Grid Daily 9 km "
    f"EASE-Grid Soil Moisture, Version 5. {_NSIDC}",
    "10.5067/M20OXIZHY3RJ": f"{_SMAP_AUTHORS} (2023). SMAP Enhanced L3 Radiometer Global and Polar Grid Daily 9 km "
    f"EASE-Grid Soil Moisture, Version 6. {_NSIDC}",
    "10.5067/OMHVSRGFX38O": f"{_SMAP_AUTHORS} (2021). SMAP L3 Radiometer Global Daily 36 km EASE-Grid Soil Moisture, "
    f"Version 8. {_NSIDC}",
    "10.5067/4XXOGX0OOW1S": f"{_SMAP_AUTHORS} (2023). SMAP L3 Radiometer Global Daily 36 km EASE-Grid Soil Moisture, "
    f"Version 9. {_NSIDC}",
    "10.5067/THUF4J1RLSYG": "NLDAS project (2021). NLDAS Primary Forcing Data L4 Hourly 0.125 x 0.125 degree "
    "V2.0, edited by Mocko, D. M., NASA/GSFC/HSL. NASA Goddard Earth Sciences Data and Information Services Center.",
    "10.5067/MODIS/MOD16A2.061": "Running, S., Mu, Q. and Zhao, M. (2021). MODIS/Terra Net Evapotranspiration 8-Day L4 "
    f"Global 500m SIN Grid, Version 061. {_LPDAAC}",
    "10.5067/MODIS/MOD16A2GF.061": "Running, S., Mu, Q., Zhao, M. and Moreno, A. (2021). MODIS/Terra Net "
    f"Evapotranspiration Gap-Filled 8-Day L4 Global 500m SIN Grid, Version 061. {_LPDAAC}",
    "10.5067/MODIS/MCD12Q1.061": "Friedl, M. and Sulla-Menashe, D. (2022). MODIS/Terra+Aqua Land Cover Type Yearly L3 "
    f"Global 500m SIN Grid, Version 061. {_LPDAAC}",
    "10.5067/MODIS/MCD15A2H.061": "Myneni, R., Knyazikhin, Y. and Park, T. (2021). MODIS/Terra+Aqua Leaf Area "
    f"Index/FPAR 8-Day L4 Global 500m SIN Grid, Version 061. {_LPDAAC}",
    "10.24381/cds.e2161bac": "Munoz Sabater, J. (2019). ERA5-Land hourly data from 1950 to present. Copernicus Climate "
    "Change Service (C3S) Climate Data Store (CDS).",
    "10.3334/ORNLDAAC/2129": "Thornton, M. M., Shrestha, R., Wei, Y., Thornton, P. E., Kao, S.-C. and Wilson, B. E. "
    "(2022). Daymet: Daily Surface Weather Data on a 1-km Grid for North America, Version 4 R1. ORNL DAAC.",
}
"""Citation of each product and version that the readers know."""
