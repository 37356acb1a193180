"""The notebook in docs/: committed without outputs, and it runs from its first cell to its last."""

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: the extra dev has it")


@pytest.fixture
def notebook(home):
    return nbformat.read(home / "docs" / "tutorial.ipynb", as_version=4)


def test_it_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None, cell.source


@pytest.mark.slow
def test_it_runs_and_draws_a_figure_for_each_concept(home, notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: the extra dev has it")
    concepts = [cell.source.splitlines()[0] for cell in notebook.cells if cell.source.startswith("## ")]
    concepts = [one for one in concepts if one[3].isdigit()]
    assert len(concepts) >= 8
    for name, value in {"BN_STUDY_HOME": home, "BN_STUDY_RESULTS": tmp_path, "PYTHONPATH": home}.items():
        monkeypatch.setenv(name, str(value))
    labels = "assert all(one.get_xlabel() for one in plt.gcf().axes) and plt.gcf().axes[0].get_ylabel()"
    for cell in notebook.cells:
        if cell.cell_type == "code" and "set_xlabel" in cell.source:
            cell.source = f"{cell.source}\n{labels}"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    drawn = [one for cell in notebook.cells for one in cell.get("outputs", ()) if "image/png" in one.get("data", ())]
    assert len(drawn) == len(concepts)
    assert not [one for cell in notebook.cells for one in cell.get("outputs", ()) if one.get("name") == "stderr"]
