//! Installing, twice, and taking away again: every byte is as it was.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::*;

/// Every file of a folder with its mode, what otto keeps of itself, objects, refs and logs left out.
fn files(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let (mut all, mut todo) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if [".git/otto", ".git/objects", ".git/refs", ".git/logs", ".git/index"].iter().any(|p| name.starts_with(p))
            {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = match () {
                () if meta.is_dir() => {
                    todo.push(path);
                    continue;
                }
                () if meta.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                () => fs::read(&path).unwrap(),
            };
            all.insert(name, (meta.permissions().mode(), content));
        }
    }
    all
}

/// Places in which hooks stand: what makes one, and what says that the hook that was there is called.
const PLACES: &[(&str, &str)] = &[
    ("nothing", ""),
    ("a hook of the user's", "hook .git/hooks/pre-commit; hook .git/hooks/pre-push"),
    (
        "a hook that is a link",
        "hook scripts/dispatch; mkdir -p .git/hooks; ln -s ../../scripts/dispatch .git/hooks/pre-commit",
    ),
    ("a hook that cannot be run", "hook .git/hooks/pre-commit; chmod -x .git/hooks/pre-commit"),
    ("an own folder", "git config core.hooksPath .git/mine; hook .git/mine/pre-commit"),
    ("a folder outside", "git config core.hooksPath \"$PWD/../folder of hooks\"; hook '../folder of hooks/pre-commit'"),
    (
        "a folder for all repositories",
        "git config --global core.hooksPath '~/hooks'; hook ~/hooks/pre-commit; hook ~/hooks/post-commit",
    ),
    (
        "a tracked folder",
        "git config core.hookspath .githooks; hook .githooks/pre-commit; git add .githooks; git commit -qnm hooks",
    ),
];

/// Makes a hook that notes that it was called, as what, and with what on its standard input.
const HOOK: &str = r#"
hook() {
    mkdir -p "$(dirname "$1")"
    { echo '#!/bin/sh'; echo 'echo "$(basename "$0")" "$@" >> "$HOME/called"'; echo '[ -t 0 ] || cat >> "$HOME/called"'
      echo 'exit ${STATUS:-0}'; } > "$1"
    chmod +x "$1"
}
"#;

#[test]
fn installed_twice_and_taken_away_every_file_is_as_it_was() {
    for (what, make) in PLACES {
        let t = Team::new();
        t.sh("repo", &format!("{HOOK}\n{make}"), &[]).exits(0);
        let (before, home) = (files(&t.s.repo()), files(&t.s.path("home")));
        let status = t.s.git(&["status", "--porcelain"]);
        let refused = t.otto("repo", &["hooks", "install"]).exits(8);
        assert!(refused.stderr.contains("git otto hooks install --yes"), "{what}: {refused}");
        let dry = t.otto("repo", &["hooks", "install", "--dry-run"]).exits(0);
        assert!(dry.stdout.contains("+    git-otto hook pre-commit \"$@\" || exit\n"), "{what}: {dry}");
        assert_eq!((&files(&t.s.repo()), &files(&t.s.path("home"))), (&before, &home), "{what}: only told");

        t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
        all_answer(&t, "repo");
        let once = files(&t.s.repo());
        let again = t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
        assert_eq!(
            (files(&t.s.repo()), again.stdout.as_str()),
            (once, "installed before: nothing to change\n"),
            "{what}"
        );
        assert_eq!(files(&t.s.path("home")), home, "{what}: nothing of the user's changes");
        assert_eq!(t.s.git(&["status", "--porcelain"]), status, "{what}: nothing that is tracked changes");

        t.otto("repo", &["hooks", "uninstall", "--yes"]).exits(0);
        assert_eq!(files(&t.s.repo()), before, "{what}");
        assert!(!t.s.path("repo/.git/otto/hooks").exists(), "{what}: nothing is left");
        t.otto("repo", &["hooks", "uninstall", "--yes"]).exits(2);
    }
}

#[test]
fn the_hook_that_was_there_is_called_with_all_it_was_called_with() {
    for (what, make) in PLACES.iter().filter(|(_, make)| make.contains("hook ") && !make.contains("-x")) {
        let t = Team::new();
        t.sh("repo", &format!("{HOOK}\n{make}"), &[]).exits(0);
        t.s.git(&["init", "-q", "--bare", "../server.git"]);
        t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
        let work = "echo b > a.txt; git commit -qam x; git push -q ../server.git HEAD:refs/heads/x";
        t.sh("repo", work, &[]).exits(0);
        let called = fs::read_to_string(t.s.path("home/called")).unwrap();
        let first = called.lines().next().unwrap();
        let name = first.strip_suffix(".before-otto").unwrap_or(first).trim();
        assert_eq!(name, "pre-commit", "{what}: {called}");
        if make.contains("pre-push") {
            let head = t.s.git(&["rev-parse", "HEAD"]);
            assert!(called.contains(" ../server.git ../server.git\n"), "{what}: {called}");
            assert!(called.contains(&format!("HEAD {head} refs/heads/x 0000")), "{what}: {called}");
        }
        if make.contains("post-commit") {
            assert!(called.contains("post-commit"), "{what}: {called}");
        }
        // It can still refuse, and so can ours.
        t.s.write("repo/a.txt", "c\n");
        let refused = t.sh("repo", "git commit -qam x", &[("STATUS", "3")]);
        assert_ne!(refused.code, 0, "{what}: {refused}");
        t.s.write(&format!("repo/{COPY}"), t.edited());
        let refused = t.git("repo", &["commit", "-qam", "x"]);
        assert!(refused.code != 0 && refused.stderr.contains("refused:"), "{what}: {refused}");
    }
}

#[test]
fn into_a_tracked_folder_only_when_told() {
    let t = Team::new();
    let make = PLACES.iter().find(|(what, _)| *what == "a tracked folder").unwrap().1;
    t.sh("repo", &format!("{HOOK}\n{make}"), &[]).exits(0);
    let before = files(&t.s.repo());
    t.otto("repo", &["hooks", "install", "--tracked", "--yes"]).exits(0);
    let status = t.s.git(&["status", "--porcelain"]);
    assert!(status.contains(" M .githooks/pre-commit") && status.contains("?? .githooks/pre-push"), "{status}");
    all_answer(&t, "repo");
    // A teammate who gets them with a pull needs no installation.
    t.sh(
        "repo",
        "git add .; git commit -qm hooks; git clone -q . ../cloned; cd ../cloned; git config core.hooksPath .githooks",
        &[],
    )
    .exits(0);
    all_answer(&t, "cloned");
    t.otto("repo", &["hooks", "uninstall", "--yes"]).exits(0);
    assert_eq!(
        files(&t.s.repo()).keys().collect::<Vec<_>>(),
        before
            .keys()
            .chain([&PathBuf::from(".git/COMMIT_EDITMSG")])
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    // Without such a folder there is nothing to write into.
    let t = Team::new();
    let refused = t.otto("repo", &["hooks", "install", "--tracked", "--yes"]).exits(2);
    assert!(refused.stderr.contains("not tracked"), "{refused}");
}

#[test]
fn what_somebody_changed_since_is_told_and_left() {
    let t = Team::hooked();
    t.s.git(&["config", "user.nickname", "ann"]);
    let shim = if configured() { "repo/.git/otto/hooks/pre-push" } else { "repo/.git/hooks/pre-push" };
    let theirs = t.s.script(shim, "#!/bin/sh\nexit 0\n");
    let said = t.otto("repo", &["hooks", "uninstall", "--yes"]).exits(0);
    assert!(said.stderr.contains("pre-push was changed by somebody else"), "{said}");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "#!/bin/sh\nexit 0\n");
    assert!(!t.s.path("repo/.git/hooks/pre-commit").exists());
    assert_eq!(t.s.git(&["config", "user.nickname"]), "ann");
}

#[test]
fn a_hook_that_git_does_not_reach_is_told() {
    let t = Team::hooked();
    let hook = match configured() {
        true => {
            t.s.git(&["config", "hook.otto-pre-commit.enabled", "false"]);
            assert_eq!(states(&t, "repo")[0], ("pre-commit".into(), "silent".into()));
            t.s.git(&["config", "--unset", "hook.otto-pre-commit.enabled"]);
            t.s.path("repo/.git/otto/hooks/pre-commit")
        }
        false => {
            t.s.git(&["config", "core.hooksPath", "/nowhere"]);
            assert!(states(&t, "repo").iter().all(|(_, state)| state == "missing"));
            t.s.git(&["config", "--unset", "core.hooksPath"]);
            t.s.path("repo/.git/hooks/pre-commit")
        }
    };
    all_answer(&t, "repo");
    // A file that is there, and in whose place the canary finds nothing.
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(states(&t, "repo")[0], ("pre-commit".into(), "silent".into()));
    let said = t.s.otto(&["hooks", "status"]).exits(0);
    assert!(said.stdout.contains("silent    pre-push"), "the program is not on PATH: {said}");
}

#[test]
fn a_server_says_what_its_settings_let_through() {
    let t = Team::new();
    t.server();
    assert_eq!(t.s.git_in("server.git", &["config", "--get-all", "receive.hideRefs"]), "refs/otto-remote");
    let both = ["pre-receive", "update"].map(|name| (name.to_owned(), "answered".to_owned()));
    assert_eq!(states(&t, "server.git"), both);
    let said = t.otto("server.git", &["hooks", "status"]).exits(0);
    assert!(said.stdout.contains("receive.fsckObjects true"), "{said}");
    t.s.git_in("server.git", &["config", "receive.fsckObjects", "true"]);
    t.s.git_in("server.git", &["config", "receive.shallowUpdate", "true"]);
    t.s.git_in("server.git", &["config", "receive.procReceiveRefs", "refs/otto"]);
    let said = t.otto("server.git", &["hooks", "status"]).exits(0);
    assert!(said.stdout.contains("receive.shallowUpdate false") && said.stdout.contains("procReceiveRefs"), "{said}");
    assert!(!said.stdout.contains("fsckObjects"), "{said}");
    let refused = t.otto("server.git", &["hooks", "install", "--yes"]).exits(2);
    assert!(refused.stderr.contains("git otto hooks install --server"), "{refused}");
}
