"""How Sphinx makes a site of these pages: Markdown by MyST, the API from docstrings, formulas as MathML, nothing from elsewhere."""

import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from biodeephashing import __version__

project = "biodeephashing"
author = "The biodeephashing authors"
copyright = author
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "losses.template.md"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # links to headings, as GitHub names them

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
add_module_names = False
autodoc_type_aliases = {"NDArray": "NDArray"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
pygments_style = "friendly"

RECIPES = Path(__file__).parents[1] / "configs" / "recipes" / "README.md"
UNKNOWN = {"lt": "<", "gt": ">", "dots": r"\ldots", "cr": r"\\"}  # LaTeX that docutils does not know, in LaTeX that it does


def setup(app: Sphinx) -> None:
    """Register what shows formulas (browsers draw MathML themselves, without a script) and brings the recipes in."""
    app.connect("source-read", _include_recipes)
    app.add_html_math_renderer("mathml", (_inline_math, None), (_displayed_math, None))


def _include_recipes(app: Sphinx, page: str, source: list[str]) -> None:
    """Show the page of the recipes, which lies beside their files, in the place of the pointer to it."""
    source[0] = source[0].replace("(../configs/recipes/README.md)", "(recipes.md)")
    if page == "recipes":
        app.env.note_dependency(RECIPES)
        text = RECIPES.read_text("utf-8").replace("(../../docs/", "(")
        source[0] = re.sub(r"\]\((\w+\.yaml)\)", r"](../configs/recipes/\1)", text)


def _inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_mathml(node))
    raise nodes.SkipNode


def _displayed_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_mathml(node)}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.math | nodes.math_block) -> str:
    formula = re.sub(rf"\\({'|'.join(UNKNOWN)})\b", lambda found: UNKNOWN[found[1]], node.astext())
    formula = re.sub(r"(frac)(\d)(\d)", r"\1{\2}{\3}", formula)  # docutils reads \tfrac12 as a numerator of 12
    text = tex2mathml(formula, as_block=isinstance(node, nodes.math_block))
    text = re.sub(r"<mo>(?=[⌊⌋⌈⌉⟨⟩‖])", '<mo stretchy="false">', text).replace("<mo>|", '<mo lspace="0" rspace="0">|')
    return re.sub(r"<mo>&ApplyFunction;</mo>(?=\s*<m(?!o))", '<mspace width="0.17em"/>', text)  # tanh F, not tanhF
