import subprocess
import sys


def test_what_keras_alone_would_import_is_left_to_those_who_need_it():
    code = (
        "import sys\n"
        "from msml.training.environment import tensorflow\n"
        "tensorflow()\n"
        "import keras\n"
        "assert not {'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "import pandas, sklearn.metrics, matplotlib.figure\n"
        "assert pandas.DataFrame({'a': [1]}).a.sum() == 1\n"
        "assert type(sys.meta_path[0]).__module__ != 'msml.training.environment'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_imported_already_is_not_hidden():
    code = (
        "import xml\n"
        "from msml.training.environment import _not_there\n"
        "with _not_there('xml', 'pandas'):\n"
        "    import xml.sax\n"
        "    try:\n"
        "        import pandas\n"
        "    except ModuleNotFoundError:\n"
        "        print('hidden')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "hidden\n"), done.stderr
