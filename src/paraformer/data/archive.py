"""What a study needs from NASA's archives, and where there: products, versions, days and places, searched by
earthaccess.

earthaccess (extra ``fetch``) searches the catalogue and logs in: from the environment (``EARTHDATA_TOKEN``, or
``EARTHDATA_USERNAME`` and ``EARTHDATA_PASSWORD``), else from the user's netrc file. Nobody is asked for a password
here.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paraformer.core.errors import DataError, SettingsError
from paraformer.data.download import Remote, Session
from paraformer.data.sources.config import NldasConfig, ProductsConfig, SmapConfig
from paraformer.data.sources.granules import Format
from paraformer.data.sources.region import Region

logger = logging.getLogger(__name__)

VERSIONS = {
    "SPL3SMP": "009",
    "SPL3SMP_E": "006",
    "NLDAS_FORA0125_H": "2.0",
    "MOD16A2": "061",
    "MOD16A2GF": "061",
    "MCD12Q1": "061",
    "MCD15A2H": "061",
}
"""Versions that are fetched, by the short name of the catalogue."""

_NAMES = {
    "SPL3SMP": r"SMAP_L3_SM_P_\d{8}_R\d{5}_\d{3}\.h5",
    "SPL3SMP_E": r"SMAP_L3_SM_P_E_\d{8}_R\d{5}_\d{3}\.h5",
    "NLDAS_FORA0125_H": r"NLDAS_FORA0125_H\.A\d{8}\.\d{4}\.020\.nc",
}
"""Names of the data files of a product; the MODIS products' begin with their short name."""

_SUMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
"""Algorithms of the catalogue's checksums that Python has; others are not checked."""

_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "NA": 0.0}
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Query:
    """Granules of one product on some days in some box, and the folder that a study reads them from."""

    product: str
    first: dt.date
    last: dt.date
    region: Region
    folder: Path

    @property
    def format(self) -> Format:
        return "HDF4" if self.product.startswith(("MOD", "MCD")) else "HDF5"

    def is_data(self, name: str) -> bool:
        """Whether a file of the archive is data of the product, not its metadata or picture."""
        pattern = _NAMES.get(self.product, re.escape(self.product) + r"\.A\d{7}\.h\d\dv\d\d\.061\.\d{13}\.hdf")
        return re.fullmatch(pattern, name) is not None


def queries(config: ProductsConfig) -> list[Query]:
    """What the readers of a study's products will look for, with the days that they read beyond the period."""
    smap, nldas, region = config.observation, config.forcing, config.region
    found = []
    if isinstance(smap, SmapConfig):
        found.append(Query(smap.product, smap.period.start - _DAY, smap.period.end + _DAY, smap.region, smap.folder))
    if isinstance(nldas, NldasConfig):
        found.append(Query("NLDAS_FORA0125_H", nldas.period.start, nldas.period.end + _DAY, nldas.region, nldas.folder))
    for part, own in ((smap, SmapConfig), (nldas, NldasConfig)):
        if not isinstance(part, own):
            logger.warning("%s is not fetched: docs/data_sources.md says where it is", part.product)
    if config.evapotranspiration is not None:
        modis = config.evapotranspiration
        found.append(Query(modis.product, modis.period.start, modis.period.end, region, modis.folder))
    if config.land is not None:
        first, last = config.period.start, config.period.end
        if _is_folder(config.land.cover.path):
            found.append(Query("MCD12Q1", first, last, region, config.land.cover.path))
        if config.land.leaf_area is not None and _is_folder(config.land.leaf_area.path):
            found.append(Query("MCD15A2H", first, last, region, config.land.leaf_area.path))
    return found


def _is_folder(path: Path) -> bool:
    """Whether a raster's path stands for a folder of tiles, be it there already or not."""
    return path.is_dir() or (not path.exists() and not path.suffix)


def search(query: Query) -> list[Remote]:
    """Files of the catalogue that answer a query, each once.

    Raises:
        SettingsError: earthaccess is not installed.
        DataError: the catalogue cannot be asked, or has no such file.
    """
    api = _earthaccess()
    box = (query.region.west, query.region.south, query.region.east, query.region.north)
    try:
        granules = api.search_data(
            short_name=query.product,
            version=VERSIONS[query.product],
            bounding_box=box,
            temporal=(f"{query.first}T00:00:00Z", f"{query.last}T23:59:59Z"),
        )
    except Exception as error:  # the library hands on whatever the catalogue or the network gave
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{query.product}: the catalogue cannot be searched ({reason})") from error
    found: dict[str, Remote] = {}
    for granule in granules:
        sizes, sums = _sizes(granule), _sums(granule)
        for link in granule.data_links(access="external"):
            name = str(link).rsplit("/", 1)[-1]
            if query.is_data(name):
                size, exact = sizes.get(name, next(iter(sizes.values())) if len(sizes) == 1 else (0, False))
                found[name] = Remote(
                    str(link), query.folder / name, query.format, size, exact, checksum=sums.get(name, "")
                )
    if not found:
        raise DataError(
            f"{query.product} version {VERSIONS[query.product]}: the catalogue has nothing for "
            f"{query.first}..{query.last} in the region"
        )
    return [found[name] for name in sorted(found)]


def _sizes(granule: Mapping[str, Any]) -> dict[str, tuple[int, bool]]:
    """Size of each file of a granule in bytes, and whether that is exact."""
    found = {}
    for entry in _entries(granule):
        if "SizeInBytes" in entry:
            found[str(entry.get("Name", ""))] = int(entry["SizeInBytes"]), True
        elif "Size" in entry:
            unit = _UNITS.get(str(entry.get("SizeUnit", "MB")).upper(), 1e6)
            found[str(entry.get("Name", ""))] = int(float(entry["Size"]) * unit), False
    return found


def _sums(granule: Mapping[str, Any]) -> dict[str, str]:
    """Checksum of each file of a granule that has one of a known algorithm, as ``md5:...``."""
    found = {}
    for entry in _entries(granule):
        stated = entry.get("Checksum") or {}
        name = _SUMS.get(str(stated.get("Algorithm", "")).upper())
        if name and stated.get("Value"):
            found[str(entry.get("Name", ""))] = f"{name}:{stated['Value']}"
    return found


def _entries(granule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the catalogue says of each file of a granule (UMM-G, ArchiveAndDistributionInformation)."""
    try:
        return list(granule["umm"]["DataGranule"]["ArchiveAndDistributionInformation"])
    except (KeyError, TypeError):
        return []


def login() -> Session:
    """A session that is logged in to Earthdata.

    Raises:
        SettingsError: earthaccess is not installed, there are no credentials, or they are refused.
    """
    api = _earthaccess()
    for strategy in ("environment", "netrc"):
        try:
            auth = api.login(strategy=strategy)
        except (
            Exception
        ) as error:  # LoginStrategyUnavailable; a message of the library may hold a user's name: not shown
            if "Failure" in type(error).__name__:
                raise SettingsError("Earthdata Login refuses the credentials; see docs/data_sources.md") from None
            continue
        if auth is not None and auth.authenticated:
            session: Session = api.get_requests_https_session()
            return session
    raise SettingsError(
        "no Earthdata Login: set EARTHDATA_TOKEN, or EARTHDATA_USERNAME and EARTHDATA_PASSWORD, or a netrc entry for "
        "urs.earthdata.nasa.gov (docs/data_sources.md)"
    )


def _earthaccess() -> Any:
    try:
        import earthaccess
    except ImportError as error:
        raise SettingsError("fetching needs earthaccess: pip install 'paraformer[fetch]'") from error
    return earthaccess
