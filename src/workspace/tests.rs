//! Workspaces against real repositories and hostile files.

use std::{
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
    sync::Arc,
};

use super::*;
use crate::{
    base::{Env, files},
    git::{BString, Mode},
};

mod parts;

struct Room {
    dir: tempfile::TempDir,
    repo: Repo,
    world: World,
    base: Oid,
}

/// Runs git in a folder without anything of this machine's user.
fn git(dir: &Path, home: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(dir).args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
        command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn room_of(format: &str) -> Room {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("repo");
    std::fs::create_dir(&at).unwrap();
    git(&at, dir.path(), &["init", "-q", "-b", "main", &format!("--object-format={format}")]);
    for (path, text) in [
        ("a.txt", "a\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("src/x.py", "x\n"),
        (".gitignore", "*.log\n/dist/\nkept.log\n"),
        ("src/.gitignore", "!keep.log\n"),
        ("build/tracked.log", "tracked although ignored\n"),
    ] {
        std::fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
        std::fs::write(at.join(path), text).unwrap();
    }
    std::fs::set_permissions(at.join("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("a.txt", at.join("link")).unwrap();
    git(&at, dir.path(), &["add", "-A", "-f"]);
    git(&at, dir.path(), &["commit", "-q", "-m", "base"]);
    let base = git(&at, dir.path(), &["rev-parse", "HEAD"]).trim().parse().unwrap();
    let repo = Repo::open(&at.join(".git")).unwrap();
    let env = Env { home: Some(dir.path().join("home")), cwd: at, ..Env::default() };
    Room { repo, world: World::real(env).unwrap(), base, dir }
}

fn room() -> Room {
    room_of("sha1")
}

fn of(slice: &str) -> Attempt {
    Attempt { slice: slice.parse().unwrap(), r#gen: Sha256::of(slice), n: 1 }
}

impl Room {
    fn root(&self) -> PathBuf {
        root(&self.world, &self.repo).unwrap().join("notes-20260101t000000z-abcdef")
    }

    fn make(&self) -> Workspace {
        let tree = self.repo.read_commit(self.base).unwrap().tree;
        Workspace::create(&self.repo, &self.world, &self.root(), &of("store"), self.base, tree).unwrap()
    }

    fn base_tree(&self) -> Oid {
        self.repo.read_commit(self.base).unwrap().tree
    }

    fn look(&self, ws: &Workspace) -> Snapshot {
        ws.snapshot(&self.repo, &["dist/mine.bin".to_owned(), "*.log".to_owned()]).unwrap()
    }
}

fn put(ws: &Workspace, path: &str, text: &str) {
    let at = ws.dir().join(path);
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::fs::write(at, text).unwrap();
}

fn paths(s: &Snapshot) -> Vec<String> {
    s.changes.iter().map(|c| c.path.to_string()).collect()
}

#[test]
fn a_new_workspace_is_the_base_and_git_agrees() {
    for format in ["sha1", "sha256"] {
        let r = room_of(format);
        let ws = r.make();
        let home = r.dir.path().join("home");
        assert_eq!(git(ws.dir(), &home, &["status", "--porcelain", "--ignored"]), "");
        assert_eq!(git(ws.dir(), &home, &["rev-parse", "HEAD"]).trim(), r.base.to_string());
        assert_eq!(git(ws.dir(), &home, &["log", "--format=%s"]), "base\n");
        assert_eq!(git(ws.dir(), &home, &["for-each-ref"]), "");
        let s = r.look(&ws);
        assert_eq!(s, Snapshot { tree: r.base_tree(), changes: vec![], problems: vec![] });
        put(&ws, "a.txt", "b\n");
        assert_eq!(git(ws.dir(), &home, &["status", "--porcelain"]), " M a.txt\n");
        ws.kept(&r.repo, &s, &[]).unwrap().unwrap().remove(&r.world).unwrap();
        assert_eq!(leftovers(&r.root()).unwrap(), 0);
    }
}

#[test]
fn what_the_agent_did_is_what_the_tree_says() {
    let r = room();
    let ws = r.make();
    let dir = ws.dir();
    put(&ws, "a.txt", "other\n");
    put(&ws, "new/deep/file", "\r\n\0raw");
    std::fs::remove_file(dir.join("src/x.py")).unwrap();
    std::fs::set_permissions(dir.join("run.sh"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::remove_file(dir.join("link")).unwrap();
    symlink("/etc/passwd", dir.join("link")).unwrap();
    std::fs::remove_dir_all(dir.join("build")).unwrap();
    std::fs::write(dir.join("build"), "now a file").unwrap();
    let s = r.look(&ws);
    assert!(s.problems.is_empty(), "{:?}", s.problems);
    assert_eq!(paths(&s), ["a.txt", "build", "build/tracked.log", "link", "new/deep/file", "run.sh", "src/x.py"]);
    assert_eq!(s.changes, r.repo.diff_trees(r.base_tree(), s.tree).unwrap());
    let entry = |path: &str| r.repo.entry(s.tree, path.into()).unwrap().unwrap();
    assert_eq!(r.repo.read_blob(entry("new/deep/file").oid, 100).unwrap(), b"\r\n\0raw");
    assert_eq!((entry("run.sh").mode, entry("link").mode), (Mode::Plain, Mode::Symlink));
    assert_eq!(r.repo.read_blob(entry("link").oid, 100).unwrap(), b"/etc/passwd", "the link, not what it leads to");
    // Again gives the same.
    assert_eq!(r.look(&ws), s);
}

#[test]
fn ignored_files_stay_out_unless_tracked_or_owned_by_name() {
    let r = room();
    let ws = r.make();
    for path in [
        "x.log",
        "kept.log",
        "src/other.log",
        "dist/out.bin",
        "node_modules/m/index.js",
        "src/__pycache__/x.cpython.pyc",
        ".venv/bin/python",
        "node_modules/m/.git/config",
    ] {
        put(&ws, path, "junk");
    }
    put(&ws, "dist/mine.bin", "owned by name");
    put(&ws, "src/keep.log", "let in by the deeper rule");
    put(&ws, "build/tracked.log", "changed");
    put(&ws, "target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    put(&ws, "target/debug/out", "built");
    put(&ws, "lib/CACHEDIR.TAG", "something else");
    // An agent cannot hide a file by ignoring it.
    put(&ws, ".gitignore", "secret.txt\n");
    put(&ws, ".git/info/exclude", "secret.txt\n");
    put(&ws, "secret.txt", "x");
    let s = r.look(&ws);
    assert!(s.problems.is_empty(), "{:?}", s.problems);
    assert_eq!(
        paths(&s),
        [".gitignore", "build/tracked.log", "dist/mine.bin", "lib/CACHEDIR.TAG", "secret.txt", "src/keep.log"]
    );
}

#[test]
fn hostile_files_are_problems_and_never_followed() {
    let r = room();
    let ws = r.make();
    let dir = ws.dir().to_owned();
    put(&ws, "nested/.git/config", "[core]\n\tfsmonitor = touch /tmp/otto-pwned\n");
    put(&ws, "nested/file", "x");
    put(&ws, "worktree/.git", "gitdir: /elsewhere\n");
    put(&ws, "odd/.GIT/x", "x");
    symlink("/etc", dir.join("etc")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());
    // Bound elsewhere: the name of a socket must be short.
    let near = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(near.path().join("s")).unwrap();
    std::fs::rename(near.path().join("s"), dir.join("sock")).unwrap();
    let mut deep = dir.clone();
    for _ in 0..110 {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep).unwrap();
    let big = std::fs::File::create(dir.join("big")).unwrap();
    big.set_len(MAX_FILE + 1).unwrap();
    let s = r.look(&ws);
    let told = s.problems.join("\n");
    for part in [
        "nested/.git: a repository",
        "worktree/.git: a repository",
        "odd/.GIT",
        "pipe: neither",
        "sock: neither",
        "deeper than",
        "big: it is larger",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(s.problems.len(), 7, "{told}");
    assert_eq!(paths(&s), ["etc", "nested/file"]);
    assert_eq!(s.changes[0].new.unwrap().0, Mode::Symlink);
    let aside = ws.kept(&r.repo, &s, &[]).unwrap().unwrap_err().set_aside(&r.world).unwrap();
    assert!(aside.join("tree/nested/file").is_file(), "what no tree can hold stays where it is");
    assert_eq!((leftovers(&r.root()).unwrap(), left(&r.repo, &r.root()).unwrap().len()), (0, 0));
}

#[test]
fn a_workspace_goes_only_when_a_ref_holds_all_that_is_in_it() {
    let r = room();
    let ws = r.make();
    put(&ws, "a.txt", "mine\n");
    let s = r.look(&ws);
    let refs = ["refs/otto/a".to_owned(), "refs/otto/b".to_owned()];
    let ws = ws.kept(&r.repo, &s, &refs).unwrap().unwrap_err();
    git(&r.dir.path().join("repo"), r.dir.path(), &["update-ref", &refs[0], "HEAD"]);
    let ws = ws.kept(&r.repo, &s, &refs).unwrap().unwrap_err();
    let held = ["commit-tree", "-m", "held", &s.tree.to_string()];
    let held = git(&r.dir.path().join("repo"), r.dir.path(), &held);
    git(&r.dir.path().join("repo"), r.dir.path(), &["update-ref", &refs[1], held.trim()]);
    let home = ws.dir().parent().unwrap().to_owned();
    ws.kept(&r.repo, &s, &refs).unwrap().unwrap().remove(&r.world).unwrap();
    assert!(!home.exists());
}

#[test]
fn a_folder_of_the_base_replaced_by_a_link_is_a_link() {
    let r = room();
    let ws = r.make();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x.py"), "not ours").unwrap();
    std::fs::remove_dir_all(ws.dir().join("src")).unwrap();
    symlink(outside.path(), ws.dir().join("src")).unwrap();
    let s = r.look(&ws);
    assert_eq!(paths(&s), ["src", "src/.gitignore", "src/x.py"]);
    assert_eq!(s.changes[0].new.unwrap().0, Mode::Symlink);
    assert!(s.changes[1..].iter().all(|c| c.new.is_none()));
}

#[test]
fn what_became_of_the_private_git_does_not_matter() {
    let r = room();
    for how in 0..3 {
        let ws = r.make();
        let own = ws.dir().join(".git");
        std::fs::remove_dir_all(&own).unwrap();
        match how {
            0 => {}
            1 => std::fs::write(&own, format!("gitdir: {}\n", r.repo.git_dir().display())).unwrap(),
            _ => symlink(r.repo.git_dir(), &own).unwrap(),
        }
        put(&ws, "a.txt", &format!("{how}\n"));
        let s = r.look(&ws);
        assert!(s.problems.is_empty(), "{:?}", s.problems);
        assert_eq!(paths(&s), ["a.txt"]);
        files::remove_tree(ws.dir().parent().unwrap()).unwrap();
        assert!(r.repo.git_dir().join("HEAD").exists(), "the repository is untouched");
    }
}

#[test]
fn a_file_that_only_looks_untouched_is_read() {
    let r = room();
    let ws = r.make();
    let file = ws.dir().join("a.txt");
    let before = std::fs::metadata(&file).unwrap();
    std::fs::write(&file, "b\n").unwrap();
    let times = std::fs::FileTimes::new().set_modified(before.modified().unwrap());
    std::fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    assert_eq!(paths(&r.look(&ws)), ["a.txt"]);
}

#[test]
fn untouched_files_are_not_read_again() {
    let r = room();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old"), "x").unwrap();
    let oid = r.base;
    let files = [crate::git::Entry { path: "old".into(), mode: Mode::Plain, oid }];
    let later = (i64::MAX, 0);
    let cache = stat::Cache::of(dir.path(), &files, later).unwrap();
    let now = || stat::Stat::from(&std::fs::symlink_metadata(dir.path().join("old")).unwrap());
    assert_eq!(cache.known("old".into(), &now()), Some((Mode::Plain, oid)));
    // In the same tick as the marker it could change without a trace.
    let racy = stat::Cache::of(dir.path(), &files, now().ctime).unwrap();
    assert_eq!(racy.known("old".into(), &now()), None);
    std::fs::set_permissions(dir.path().join("old"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(cache.known("old".into(), &now()), None);
}

#[test]
fn a_workspace_can_start_from_what_an_earlier_attempt_left() {
    let r = room();
    let first = r.make();
    put(&first, "a.txt", "first\n");
    put(&first, "new", "new\n");
    let left = r.look(&first);
    let second = Workspace::create(&r.repo, &r.world, &r.root(), &of("other"), r.base, left.tree).unwrap();
    assert_ne!(first.dir(), second.dir());
    assert_eq!(std::fs::read_to_string(second.dir().join("a.txt")).unwrap(), "first\n");
    assert_eq!(r.look(&second), left);
    let home = r.dir.path().join("home");
    assert_eq!(git(second.dir(), &home, &["status", "--porcelain"]), " M a.txt\n?? new\n");
}

#[test]
fn submodules_stay_what_they_are() {
    let r = room();
    let sub = (Mode::Submodule, r.base);
    let tree = r.repo.write_tree(Some(r.base_tree()), &[(BString::from("sub"), Some(sub))]).unwrap();
    let at = r.dir.path().join("repo");
    let commit = git(&at, r.dir.path(), &["commit-tree", "-m", "sub", &tree.to_string()]).trim().parse().unwrap();
    let ws = Workspace::create(&r.repo, &r.world, &r.root(), &of("s"), commit, tree).unwrap();
    assert_eq!(r.look(&ws), Snapshot { tree, changes: vec![], problems: vec![] });
    std::fs::remove_dir(ws.dir().join("sub")).unwrap();
    assert_eq!(r.look(&ws).tree, tree);
    put(&ws, "sub/x", "x");
    assert_eq!(r.look(&ws).problems, ["sub: a submodule cannot be changed here"]);
}

#[test]
fn a_clean_checkout_takes_files_of_checks_and_goes_with_its_owner() {
    let r = room();
    let place = clean_checkout(&r.repo, &r.world, &r.root(), "check-a/../b", r.base_tree()).unwrap();
    assert!(place.dir().starts_with(r.root()) && !place.dir().join(".git").exists());
    assert_eq!(std::fs::read_to_string(place.dir().join("a.txt")).unwrap(), "a\n");
    place.lay_over("tests/t.sh".into(), true, b"#!/bin/sh\n").unwrap();
    place.lay_over("a.txt".into(), false, b"laid\n").unwrap();
    assert_eq!(std::fs::read_to_string(place.dir().join("a.txt")).unwrap(), "laid\n");
    for bad in ["../x", "/tmp/otto-x", ".git/config", "link/x", "a/../../x"] {
        assert!(place.lay_over(bad.into(), false, b"x").is_err(), "{bad}");
    }
    assert!(place.scratch().is_dir() && !place.scratch().starts_with(place.dir()));
    assert_eq!(leftovers(&r.root()).unwrap(), 1);
    std::fs::create_dir(place.dir().join("ro")).unwrap();
    std::fs::write(place.dir().join("ro/x"), "").unwrap();
    std::fs::set_permissions(place.dir().join("ro"), std::fs::Permissions::from_mode(0o500)).unwrap();
    drop(place);
    assert_eq!(leftovers(&r.root()).unwrap(), 0);
}

#[test]
fn leftovers_are_counted_and_swept_but_transcripts_stay() {
    let r = room();
    assert_eq!(leftovers(&r.root()).unwrap(), 0);
    sweep(&r.world, &r.root()).unwrap();
    let ws = r.make();
    std::fs::create_dir_all(ws.transcript().parent().unwrap()).unwrap();
    std::fs::write(ws.transcript(), "said").unwrap();
    std::fs::create_dir_all(r.root().join("new-store-1-0000/tree")).unwrap();
    std::mem::forget(clean_checkout(&r.repo, &r.world, &r.root(), "c", r.base_tree()).unwrap());
    assert_eq!(leftovers(&r.root()).unwrap(), 3);
    let transcript = ws.transcript().to_owned();
    sweep(&r.world, &r.root()).unwrap();
    assert_eq!(leftovers(&r.root()).unwrap(), 1, "what an agent worked in is not swept");
    assert!(transcript.exists() && ws.dir().exists());
}

#[test]
fn what_a_dead_process_left_is_found_and_every_attempt_has_one_place() {
    let r = room();
    let ws = r.make();
    let dir = ws.dir().to_owned();
    put(&ws, "a.txt", "half done\n");
    let expected = r.look(&ws).tree;
    drop(ws);
    std::fs::create_dir_all(r.root().join("agent-torn/tree")).unwrap();
    std::fs::write(r.root().join("agent-torn/attempt"), "store 00").unwrap();
    std::mem::forget(clean_checkout(&r.repo, &r.world, &r.root(), "c", r.base_tree()).unwrap());
    let [found] = left(&r.repo, &r.root()).unwrap().try_into().ok().unwrap();
    assert_eq!((&found.of, found.base), (&of("store"), r.base));
    assert_eq!(r.look(&found.workspace).tree, expected);
    let [torn] = set_unreadable_aside(&r.repo, &r.world, &r.root()).unwrap().try_into().unwrap();
    assert!(torn.join("attempt").is_file() && aside(&r.root()).unwrap() == [torn]);
    let seen = r.look(&found.workspace);
    let ws = found.workspace.kept(&r.repo, &seen, &[]).unwrap().unwrap_err();
    files::remove_tree(ws.dir().parent().unwrap()).unwrap();
    assert_eq!(r.make().dir(), dir);
}

#[test]
fn without_a_home_there_is_a_hint() {
    let mut r = room();
    r.world.env = Arc::new(Env::default());
    let e = root(&r.world, &r.repo).unwrap_err();
    assert_eq!(e.exit(), Exit::Usage);
    assert!(e.hint().unwrap().contains("XDG_STATE_HOME"));
}

#[cfg(feature = "faults")]
#[test]
fn a_creation_that_fails_leaves_nothing_that_looks_complete() {
    let mut r = room();
    let faults = crate::base::Faults::parse(Some("workspace.create.mid:1:enospc")).unwrap();
    r.world.faults = Arc::new(faults);
    let made = Workspace::create(&r.repo, &r.world, &r.root(), &of("store"), r.base, r.base_tree());
    assert!(matches!(made, Err(Error::Io { .. })));
    let left: Vec<_> = folders(&r.root()).unwrap();
    assert!(left.len() == 1 && left[0].file_name().unwrap().to_string_lossy().starts_with("new-"), "{left:?}");
    assert_eq!(r.look(&r.make()).changes, []);
    sweep(&r.world, &r.root()).unwrap();
}

#[test]
fn a_checkout_is_clean_until_something_in_it_changes() {
    let room = room_of("sha1");
    let tree = room.repo.read_commit(room.base).unwrap().tree;
    let changes: [fn(&Path); 6] = [
        |dir| std::fs::write(dir.join("a.txt"), "b\n").unwrap(),
        |dir| std::fs::write(dir.join("src/new"), "").unwrap(),
        |dir| std::fs::create_dir(dir.join("empty")).unwrap(),
        |dir| std::fs::remove_file(dir.join("src/x.py")).unwrap(),
        |dir| std::fs::rename(dir.join("a.txt"), dir.join("d")).unwrap(),
        |dir| std::fs::set_permissions(dir.join("a.txt"), std::fs::Permissions::from_mode(0o755)).unwrap(),
    ];
    for change in changes {
        let place = clean_checkout(&room.repo, &room.world, &room.dir.path().join("root"), "x", tree).unwrap();
        let look = place.look().unwrap().expect("the clock moves on");
        std::fs::read(place.dir().join("a.txt")).unwrap();
        assert!(place.still_looks_like(&look), "reading is no change");
        change(place.dir());
        assert!(!place.still_looks_like(&look));
    }
}

#[test]
fn only_ignored_files_that_are_named_are_carried_and_none_enters_a_snapshot() {
    let r = room_of("sha1");
    let at = r.dir.path().join("repo");
    let put = |path: &str, text: &str| {
        std::fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
        std::fs::write(at.join(path), text).unwrap();
    };
    for path in ["one.log", "deep/two.log", "dist/x", "new.txt", ".otto/own.log", "hidden.env", "not.log"] {
        put(path, path);
    }
    put(".git/info/exclude", "hidden.env\n");
    symlink(r.dir.path(), at.join("away.log")).unwrap();
    let rules = b"# of the user\n*.log  \n!not.log\n/dist/\nnew.txt\n*.env\n/a.txt\n";
    let found = carry::find(&r.repo, rules).unwrap();
    let names = |carried: &Carried| carried.files().iter().map(|f| f.path.to_string()).collect::<Vec<_>>();
    // Not what is tracked, not what is merely new, not what is otto's own, no link.
    assert_eq!(names(&found.carried), ["deep/two.log", "dist/x", "hidden.env", "one.log"]);
    assert_eq!(found.left_out, [".otto/own.log", "away.log"]);
    assert_eq!(carry::find(&r.repo, b"# nothing\n\n").unwrap().carried, Carried::default());

    let tree = r.repo.read_commit(r.base).unwrap().tree;
    let of = Attempt { slice: "one".parse().unwrap(), r#gen: Sha256::of("gen"), n: 1 };
    let root = r.dir.path().join("ws");
    let mut workspace = Workspace::create(&r.repo, &r.world, &root, &of, r.base, tree).unwrap();
    workspace.carry(&r.repo, tree, &found.carried).unwrap();
    assert_eq!(std::fs::read(workspace.dir().join("deep/two.log")).unwrap(), b"deep/two.log");
    // The agent edits them, has nothing ignored any more, and owns one by its name.
    std::fs::write(workspace.dir().join("hidden.env"), "changed").unwrap();
    std::fs::write(workspace.dir().join(".gitignore"), "").unwrap();
    let changed = |w: &Workspace| {
        let snapshot = w.snapshot(&r.repo, &["hidden.env".into(), "one.log".into()]).unwrap();
        assert_eq!(snapshot.problems, [""; 0]);
        snapshot.changes.iter().map(|c| c.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(changed(&workspace), [".gitignore"]);
    let left = left(&r.repo, &root).unwrap().pop().unwrap();
    assert_eq!(changed(&left.workspace), [".gitignore"], "after a crash too");
    // The user's own are as they were.
    assert_eq!(std::fs::read(at.join("hidden.env")).unwrap(), b"hidden.env");
}

#[test]
fn what_the_tree_has_itself_is_not_covered_by_what_is_carried() {
    let r = room_of("sha1");
    let at = r.dir.path().join("repo");
    std::fs::write(at.join("own.log"), "the user's").unwrap();
    let carried = carry::find(&r.repo, b"*.log\n").unwrap().carried;
    let tree = r.repo.read_commit(r.base).unwrap().tree;
    let blob = r.repo.write_blob(b"the tree's").unwrap();
    let with = r.repo.write_tree(Some(tree), &[("own.log".into(), Some((Mode::Plain, blob)))]).unwrap();
    for (tree, content, is_in) in [(tree, "the user's", false), (with, "the tree's", true)] {
        let place = clean_checkout(&r.repo, &r.world, &r.dir.path().join("c"), "check", tree).unwrap();
        place.carry(&r.repo, tree, &carried).unwrap();
        assert_eq!(std::fs::read_to_string(place.dir().join("own.log")).unwrap(), content);
        assert_eq!(carried.is_in(&r.repo, tree).unwrap(), is_in);
    }
}
