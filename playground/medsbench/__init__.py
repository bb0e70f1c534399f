"""MedS-Bench and MedS-Ins, both ways: released files in, results in and out, the published boards. Knows no page."""
