"""Words of serving, planning and proof, and what each is called here and by the servers."""

from ieco_opt.glossary.page import markdown
from ieco_opt.glossary.terms import SERVERS, Term, find, terms

__all__ = ["SERVERS", "Term", "find", "markdown", "terms"]
