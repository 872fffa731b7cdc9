"""Read the exchange's history whole: `sources` say how each data set is asked and stored, `walk` walks one page,
`passes` starts and ends a walk, `work` decides what is read next."""
