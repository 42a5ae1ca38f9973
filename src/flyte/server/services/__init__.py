"""One file per service of the IDL: validate, translate, call. One transaction a verb."""
