"""The documents as a site: `make docs`."""

from importlib import metadata

project = "MoFM"
author = "The MoFM authors"
release = metadata.version("mofm")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
]
html_theme = "furo"
html_title = f"MoFM {release}"
exclude_patterns = ["_build", "clips"]
myst_heading_anchors = 3  # links to sections, as on GitHub
myst_enable_extensions = ["dollarmath"]
napoleon_custom_sections = [("Returns", "params_style")]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
default_role = "code"  # docstrings write `code` as Markdown does
