//! Plans: what a spec means for a run.
