//! The real pytest: what makes a check of it green, and why it is red.

use git_otto::{
    base::{Env, World},
    checks::{
        self, On,
        model::{Cause, Check, Outcome},
    },
};

use super::{path_with, tool};
use crate::support::Sandbox;

/// Runs pytest on files.
fn run(path: &str, files: &[(&str, &str)], selector: &str) -> Outcome {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, content) in files {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let mut env = Env::default();
    env.vars.insert("PATH".into(), path.into());
    let world = World::real(env).unwrap();
    let check = serde_json::json!({"id": "c", "kind": "pytest", "selector": selector});
    let check: Check = serde_json::from_value(check).unwrap();
    let tree = "0123456789012345678901234567890123456789".parse().unwrap();
    let on = On { dir: dir.path(), tree, scratch: scratch.path(), extra_env: &[], supplied: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(checks::run(&world, &check, on));
    let mut left: Vec<_> = walk(dir.path());
    left.sort();
    let mut written: Vec<_> = files.iter().map(|(name, _)| dir.path().join(name)).collect();
    written.sort();
    assert_eq!(left, written, "pytest leaves nothing in the checkout");
    outcome
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn every_way_to_end_has_its_cause() {
    let Some(pytest) = tool("pytest") else { return };
    let path = path_with(&pytest);
    let good = "def test_a():\n    assert 1 + 1 == 2\n";
    let skipped = "import pytest\n\n@pytest.mark.skip\ndef test_s():\n    pass\n";
    let mixed = format!("{skipped}\n{good}\ndef test_b():\n    pass\n");
    let red = format!("{good}\ndef test_r():\n    assert 1 == 2\n");
    for (files, selector, cause, said) in [
        (&[("tests/test_a.py", good)][..], "tests", Cause::Holds, "1 passed"),
        (&[("test_a.py", good)], "test_a.py::test_a", Cause::Holds, "1 passed"),
        (&[("test_a.py", &mixed)], "test_a.py", Cause::Holds, "2 passed, 1 skipped"),
        (&[("test_a.py", skipped)], "test_a.py", Cause::Missing, "no test ran to its end: 1 skipped"),
        (&[("test_a.py", &red)], "test_a.py", Cause::Assertion, "1 failed, 1 passed"),
        (&[("test_a.py", "import frobnicate\n")], "test_a.py", Cause::Missing, "1 broken: ModuleNotFoundError"),
        (&[("test_a.py", "def test_a(:\n")], "test_a.py", Cause::Error, "1 broken"),
        (&[("test_a.py", "def test_a(nobody):\n    pass\n")], "test_a.py", Cause::Error, "1 broken"),
        (&[("test_a.py", "x = 1\n")], "test_a.py", Cause::Missing, "pytest collected no tests"),
        (&[("test_a.py", good)], "test_b.py", Cause::Missing, "test_b.py does not exist"),
        (&[("test_a.py", good)], "test_a.py::test_b", Cause::Missing, "there is no test test_a.py::test_b"),
        (&[("test_a.py", good), ("pytest.ini", "[pytest]\naddopts = --frob\n")], "test_a.py", Cause::Error, "--frob"),
        (&[("test_a.py", "import os\nos._exit(0)\n")], "test_a.py", Cause::Error, "left no report"),
        (&[("test_a.py", good)], "--collect-only", Cause::Unknown, "names no test"),
    ] {
        let outcome = run(&path, files, selector);
        let (stdout, stderr) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
        let evidence = outcome.evidence;
        assert_eq!(evidence.cause, cause, "{files:?} {selector}: {}\n{stdout}{stderr}", evidence.detail);
        assert!(evidence.detail.contains(said), "{files:?} {selector}: {}\n{stdout}{stderr}", evidence.detail);
    }
}

#[test]
fn without_pytest_nothing_is_proven() {
    let bin = tempfile::tempdir().unwrap();
    let empty = run(&bin.path().display().to_string(), &[("test_a.py", "")], "test_a.py");
    assert_eq!(empty.evidence.detail, "python3 is not on PATH, so the check could not run");
    let script = "#!/bin/sh\necho \"$0: No module named pytest\" >&2\nexit 1\n";
    let python = bin.path().join("python3");
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let bare = run(&bin.path().display().to_string(), &[("test_a.py", "")], "test_a.py");
    for outcome in [empty, bare] {
        assert_eq!(outcome.evidence.cause, Cause::Unknown, "{}", outcome.evidence.detail);
    }
}

#[test]
fn a_slice_lands_by_its_own_tests_which_are_red_without_it() {
    let Some(pytest) = tool("pytest") else { return };
    let s = Sandbox::new();
    let intent = "# adder\n\nIt adds.\n\nKind: `library`, package `adder`.\n\nSymbol `add`, a `function`, called as \
                  `add(a, b)`: adds.\n\n## Slice `add`\n\n**R1** Two numbers are added.\n\nPytest: `tests/test_add.py`.\n\n\
                  File `adder.py`:\n\n```python\ndef add(a, b):\n    return a + b\n```\n\nFile `tests/test_add.py`:\n\n\
                  ```python\nfrom adder import add\n\ndef test_add():\n    assert add(1, 2) == 3\n```\n";
    s.write("intent.md", intent);
    let path = path_with(&pytest);
    let out = s.otto_with(&["run", "--yes", "../intent.md"], &[("PATH", path.as_str())], None).exits(4);
    // Who builds the slice wrote the test too: it lands, and the requirement counts as unproven.
    assert!(out.stdout.contains("1 slice landed") && out.stdout.contains("R1"), "{}{}", out.stdout, out.stderr);
}
