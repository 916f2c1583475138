"""How good predictions probably are before any label is there, from what a version's reference rows promise. Pure arithmetic.

Probabilities (:mod:`monitoring.estimating.cbpe`): confidence-based performance estimation. Scores are calibrated on labelled reference rows;
then each prediction is right with a known probability, and metrics are expectations. Numbers (:mod:`monitoring.estimating.direct`): direct
loss estimation. A second model learns on reference rows how large the error is for which inputs.

Both see what comes with other inputs: more hard cases, more of one group. **Neither can see concept drift**: where the same inputs come
to mean another outcome, calibration and learned losses no longer hold, and the estimate stays where it was. It is a proxy
until labels are there, never evidence.

Sources: Guillory et al. 2021, "Predicting with Confidence on Unseen Distributions"; Białek, Kuberski, Perrakis and Bifet 2024, "Estimating
Model Performance Under Covariate Shift Without Labels"; Zadrozny and Elkan 2002 for isotonic calibration of scores.
"""
