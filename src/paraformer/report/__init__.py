"""Takes score tables, per-cell scores, parameters and the facts of a run, as data frames and arrays.
Gives tables (text, markdown, HTML), figures and maps (PNG, PDF) and one report page that opens offline.
Never computes a score, runs a model or asks the network for anything."""
