"""CDISC ADaM datasets ADTR, ADRS and ADTTE."""
