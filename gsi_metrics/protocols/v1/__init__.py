"""The published protocol `gsi-bench-v1`, exactly, flaws included: boxes and pictures in, floats out.

It is here so that published numbers can be reproduced and compared; to learn how good an edit is, use `gsi-bench-v2`.
`gsi_metrics.conform` checks every function against recorded answers of the published program.

Frames and units of this protocol, and of no other place in this project: camera frame with x right, y down, z forward,
metres; a 3D box is (x, y, z, w, h, l, yaw), yaw in radians about the camera's y axis; a 2D box is (x1, y1, x2, y2) in
pixels of the detector's working picture, whose longest side is 896.
"""
