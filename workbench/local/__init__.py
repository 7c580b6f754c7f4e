"""The local plane: the whole system in one process, built from the synthesised template.

`plane.Plane` puts the parts together. Every part speaks public AWS API calls only; what is wired to what is read from the
template and never repeated here, so a mapping forgotten in `infra/` is missing here too.
"""
