"""How the site is built: ``make docs``. Pages are plain Markdown; what is generated stands in ``_site``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))  # for tutorials

from paraformer import __version__  # noqa: E402

project = "ParaFormer"
author = "The ParaFormer developers"
release = version = __version__
root_doc = "README"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "_site.extension"]
exclude_patterns = ["_build", "_site"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other packages: links to them would have to be fetched

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "deflist", "fieldlist"]
highlight_language = "bash"

nb_execution_mode = "cache"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of a class in one list, not each as an object beside the members

html_theme = "furo"
html_title = f"ParaFormer {version}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
