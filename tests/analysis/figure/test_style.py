from bn_study.analysis.figure import _style


def test_a_legend_leaves_out_settings_that_are_null_where_arms_still_differ():
    arms = ["norm=none model.branch=null", "norm=none model.branch=skip_init", "norm=batch model.branch=null"]
    assert list(_style.shortened(arms).values()) == ["norm=none", "norm=none model.branch=skip_init", "norm=batch"]
    assert _style.shortened(["norm=batch", "norm=batch norm.scale=null", "norm=none norm.scale=null"]) == {
        "norm=batch": "norm=batch",  # both would read norm=batch
        "norm=batch norm.scale=null": "norm=batch norm.scale=null",
        "norm=none norm.scale=null": "norm=none",
    }
    assert _style.shortened(["model.branch=null", ""]) == {"model.branch=null": "model.branch=null", "": ""}
