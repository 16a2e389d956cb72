"""What is measured: pure functions on arrays, each with its definition and source.

`table` says what each metric is called and means. `label_pairs` makes truth and prediction ready;
`confusion` counts voxels and `overlap` makes ratios of the counts; `surfaces` measures distances,
`regions` boundaries and centres, `lesions` components; `agreement` shows where two label volumes differ.
`scores` asks all of them about one case.
"""
