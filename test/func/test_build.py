"""Building, checking and installing: configure, the Makefile's targets, the scripts of ci/ that guard the rest."""

import os
import re
import shutil
import struct
import subprocess

import pytest

from lib.server import TOP


def run(*command, cwd=TOP, **environment):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    return done.returncode, done.stdout + done.stderr


def interpreter(path):
    """The dynamic linker that a 64-bit ELF program asks for; None for a static one."""
    image = path.read_bytes()
    assert image[:5] == b"\x7fELF\x02"
    offset, entry_size, entries = struct.unpack_from("<Q", image, 32) + struct.unpack_from("<HH", image, 54)
    for index in range(entries):
        kind, _, start, _, _, size = struct.unpack_from("<IIQQQQ", image, offset + index * entry_size)
        if kind == 3:
            return image[start : start + size].rstrip(b"\0").decode()
    return None


@pytest.fixture
def compiler_without(tmp_path):
    """A compiler that lacks a header: as the real one on a machine where its package is missing."""

    def make(header):
        script = tmp_path / "cc"
        script.write_text(
            "#!/bin/sh\n"
            'for arg; do [ -f "$arg" ] && case $arg in *.c) '
            f"grep -q '<{header}>' \"$arg\" && echo \"no {header} here\" >&2 && exit 1;; esac; done\n"
            'exec cc "$@"\n'
        )
        script.chmod(0o755)
        return str(script)

    return make


@pytest.mark.parametrize(
    "header, packages", [("zlib.h", ["zlib1g-dev", "zlib-dev"]), ("bearssl.h", ["libbearssl-dev", "bearssl-dev"])]
)
def test_configure_names_the_package_of_a_missing_library(compiler_without, tmp_path, header, packages):
    code, said = run("./configure", f"--build={tmp_path}/b", CC=compiler_without(header))
    assert code == 1
    for package in packages:
        assert package in said
    assert not (tmp_path / "b/config.mk").exists()


@pytest.mark.parametrize(
    "option, word", [("--sanitise=address", "unknown option"), ("--event=select", "epoll, kqueue or poll"),
                     ("--sanitize=memory", "address, undefined"), ("--prefix=here", "absolute"),
                     ("--with-zlib=/nowhere", "not found in /nowhere")]
)
def test_configure_refuses_what_it_cannot_do(tmp_path, option, word):
    code, said = run("./configure", f"--build={tmp_path}/b", option)
    assert code == 1 and word in said


def test_configure_defaults_are_a_production_build(tmp_path):
    code, said = run("./configure", f"--build={tmp_path}/b", "--sysconfdir=/opt/etc")
    assert code == 0, said
    made = (tmp_path / "b/config.mk").read_text()
    assert "\nTESTBUILD = \n" in made and "\nCFLAGS = -O2 -g\n" in made
    assert '#define SLUICE_CONF_PATH "/opt/etc/sluice/sluice.conf"' in (tmp_path / "b/config.h").read_text()


def test_an_unchanged_configuration_rebuilds_nothing(tmp_path):
    run("./configure", f"--build={tmp_path}/b")
    before = (tmp_path / "b/config.h").stat().st_mtime_ns
    run("./configure", f"--build={tmp_path}/b")
    assert (tmp_path / "b/config.h").stat().st_mtime_ns == before


@pytest.fixture
def production(built_tree):
    return built_tree("production")


def test_a_production_build_has_no_crash_points(production):
    assert b"SLUICE_CRASH" not in (TOP / production / "sluice").read_bytes()
    assert b"SLUICE_CRASH" in (TOP / os.environ["SLUICE_BUILD"] / "sluice").read_bytes()


def test_install_and_uninstall(production, tmp_path):
    def make(goal):
        return run("make", f"B={production}", f"DESTDIR={tmp_path}", goal)

    code, said = make("install")
    assert code == 0, said
    installed = tmp_path / "usr/local/sbin/sluice"
    code, said = run(installed, "-V")
    assert code == 0 and said.startswith("sluice ")
    assert ".Sh CONFIGURATION" in (manual := (tmp_path / "usr/local/share/man/man8/sluice.8").read_text())
    assert ".It Ic status" in (tmp_path / "usr/local/share/man/man8/sluicectl.8").read_text().replace('"', "")
    control = tmp_path / "usr/local/bin/sluicectl"
    code, said = run(control, "help")
    assert code == 0 and "keys revoke" in said
    assert ".It Ic state_dir" in manual and not re.search("@[A-Z_]+@", manual)
    conf = tmp_path / "etc/sluice/sluice.conf"
    code, said = run(installed, "-t", "-c", conf)
    assert code == 0, said
    conf.write_text("the operator's own")
    assert make("install")[0] == 0 and make("uninstall")[0] == 0
    assert conf.read_text() == "the operator's own"
    assert not installed.exists() and not control.exists()
    assert list((tmp_path / "usr/local/share/man/man8").iterdir()) == []


def test_install_refuses_a_test_build(tmp_path):
    code, said = run("make", f"B={os.environ['SLUICE_BUILD']}", f"DESTDIR={tmp_path}", "install")
    assert code != 0 and "test build" in said
    assert list(tmp_path.iterdir()) == []


def test_static_build_needs_no_linker_and_no_library(built_tree):
    program = TOP / built_tree("static", "--static") / "sluice"
    assert interpreter(program) is None
    assert interpreter(TOP / os.environ["SLUICE_BUILD"] / "sluice")
    assert run(program, "-V")[0] == 0


@pytest.fixture
def small_tree(tmp_path):
    """A copy of the sources' skeleton in which a test may do wrong."""
    shutil.copytree(TOP / "ci", tmp_path / "ci")
    for folder in ("base", "conf", "task", "http"):
        (tmp_path / "src" / folder).mkdir(parents=True)
    shutil.copy(TOP / "src/LAYERS", tmp_path / "src/LAYERS")
    return tmp_path


@pytest.mark.parametrize(
    "file, include, complaint",
    [
        ("task/a.c", '"base/b.h"', None),
        ("task/a.c", '"task/b.h"', None),
        ("task/a.c", '"config.h"', None),
        ("task/a.c", '"http/b.h"', "goes up"),
        ("task/a.c", '"conf/b.h"', "goes sideways"),
        ("task/a.h", '"other/b.h"', "unknown folder"),
        ("task/a.c", '"b.h"', "folder/file.h"),
    ],
)
def test_layer_check(small_tree, file, include, complaint):
    (small_tree / "src" / file).write_text(f"#include {include}\n")
    code, said = run("ci/check-layers", cwd=small_tree)
    if complaint:
        assert code == 1 and complaint in said and f"src/{file}:1" in said
    else:
        assert code == 0, said


def test_unit_runner_counts_failures_crashes_and_hangs(small_tree):
    """What fails, dies or hangs is counted, and nothing is counted twice."""
    programs = {
        "test_good": 'echo "[       OK ] a"; echo "[       OK ] b"',
        "test_bad": 'echo "[       OK ] a"; echo "[  FAILED  ] b"; echo "[  FAILED  ] 1 test(s), listed below:"; '
        'echo "[  FAILED  ] b"; exit 1',
        "test_dies": 'echo "[       OK ] a"; kill -SEGV $$',
        "test_hangs": "exec sleep 60",
        "test_plain": "exit 0",
    }
    folder = small_tree / "b/test/unit/base"
    folder.mkdir(parents=True)
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    code, said = run("ci/run-unit", "b", cwd=small_tree, UNIT_TIMEOUT="1", COUNTING="")
    assert code == 1
    assert said.splitlines()[-1] == "5 passed, 3 failed", said


def test_no_tests_at_all_is_a_failure(small_tree):
    code, said = run("ci/run-unit", "b", cwd=small_tree, COUNTING="")
    assert code == 1 and said.splitlines()[-1] == "0 passed, 1 failed"
