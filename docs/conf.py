"""How the documentation is built: ``sphinx-build -W --keep-going -n docs FOLDER``; CONTRIBUTING.md has the set-up."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(HERE.parent))

project = "ieco_opt"
author = "The ieco_opt developers"
release = version = version_of("ieco_opt")
# Of what lies between releases without the commit, which has no place beside the pages.
html_title = f"ieco_opt {release.partition('+')[0]}"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mathml",
    "commands",
    "schemas",
    "pages",
]
exclude_patterns = ["_ext", "_build", "conf.py"]

# Pages are read on GitHub too, so they use what both understand: dollars around maths, and headings as anchors.
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
# Amounts of money are no maths.
myst_dmath_allow_space = False
myst_dmath_allow_digits = False
myst_heading_anchors = 4

# Notebooks are Python files with cells (jupytext, py:percent); they run while the site is built.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
# Of a cell, on a machine that does other things too.
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

# Options begin with two hyphens, which are no dash.
smartquotes = False

autodoc_typehints = "signature"
# Records are made by the package: how they are constructed says nothing.
autodoc_class_signature = "separated"
# Types in signatures, and functions of inner modules: inner modules and other packages have no page here.
nitpick_ignore_regex = [("py:(class|obj)", ".*"), ("py:(func|meth)", r"ieco_opt\.[a-z_]+\..*")]
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"
