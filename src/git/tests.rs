//! The git door against git itself.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    testing::{Scratch, git, me},
    *,
};
use crate::base::{Exit, Explain, Oid, Timestamp, scratch};

const ALL: [&[&str]; 4] = [
    &[],
    &["--object-format=sha256"],
    &["--ref-format=reftable"],
    &["--object-format=sha256", "--ref-format=reftable"],
];

fn put(name: &str, old: Old, new: Oid) -> RefEdit {
    RefEdit { name: name.into(), old, new: Some(new) }
}

#[test]
fn objects_are_what_git_makes_of_the_same_content() {
    for flags in ALL {
        let s = Scratch::with(flags);
        fs::create_dir_all(s.work().join("d/e")).unwrap();
        for (path, text) in [("a", "one\n"), ("d/b", "two\n"), ("d/e/c", ""), ("d.x", "dot\n"), ("d0", "zero\n")] {
            fs::write(s.work().join(path), text).unwrap();
        }
        s.git(&["add", "-A"]);
        s.git(&["commit", "-qm", "hello\n\nbody"]);
        let tree = s.tree(&[("a", "one\n"), ("d/b", "two\n"), ("d/e/c", ""), ("d.x", "dot\n"), ("d0", "zero\n")]);
        assert_eq!(tree.to_string(), s.git(&["rev-parse", "HEAD^{tree}"]), "{flags:?}");

        let head = s.repo.resolve("HEAD").unwrap();
        let theirs = s.repo.read_commit(head).unwrap();
        let (author, committer) = (&theirs.author, &theirs.committer);
        let message = theirs.message.to_string();
        let c = NewCommit { tree, parents: vec![], author, committer, message };
        assert_eq!(s.repo.write_commit(&c).unwrap(), head, "{flags:?}");

        let listed: Vec<String> = s.repo.tree_entries(tree).unwrap().iter().map(|e| e.path.to_string()).collect();
        assert_eq!(listed.join("\n"), s.git(&["ls-tree", "-r", "--name-only", "HEAD"]));
        assert_eq!(s.repo.entry(tree, "d/b".into()).unwrap().unwrap().mode, Mode::Plain);
        assert_eq!(s.repo.entry(tree, "d".into()).unwrap(), None);
        assert_eq!(s.repo.subtree(tree, "d/e".into()).unwrap().unwrap().to_string(), s.git(&["rev-parse", "HEAD:d/e"]));
        assert_eq!(s.repo.head().unwrap(), Head::Branch("refs/heads/main".into(), Some(head)));
        let place = s.work().canonicalize().unwrap();
        assert_eq!(s.repo.checked_out().unwrap(), [(place, s.repo.head().unwrap())]);
        s.repo.sync().unwrap();
        s.git(&["fsck", "--full", "--strict"]);
    }
}

#[test]
fn a_tree_is_edited_and_compared() {
    let s = Scratch::new();
    let base = s.tree(&[("a", "1"), ("d/b", "2"), ("d/c", "3"), ("e/f", "4")]);
    let blob = s.repo.write_blob(b"5").unwrap();
    let edits: Vec<(BString, _)> = vec![
        ("d".into(), None),
        ("e".into(), Some((Mode::Executable, blob))),
        ("a/x".into(), Some((Mode::Plain, blob))),
        ("missing".into(), None),
    ];
    let new = s.repo.write_tree(Some(base), &edits).unwrap();
    let paths: Vec<String> =
        s.repo.tree_entries(new).unwrap().iter().map(|e| format!("{} {}", e.mode.octal(), e.path)).collect();
    assert_eq!(paths, ["100644 a/x", "100755 e"]);
    let changes = s.repo.diff_trees(base, new).unwrap();
    let shown: Vec<String> = changes
        .iter()
        .map(|c| format!("{}{} {}", u8::from(c.old.is_some()), u8::from(c.new.is_some()), c.path))
        .collect();
    assert_eq!(shown, ["10 a", "01 a/x", "10 d/b", "10 d/c", "01 e", "10 e/f"]);

    let empty = s.repo.write_tree(Some(base), &["a", "d", "e"].map(|p| (p.into(), None))).unwrap();
    assert_eq!(empty, s.repo.empty_tree().unwrap());
    assert_eq!(s.git(&["cat-file", "-t", &empty.to_string()]), "tree");
    assert!(s.work().join(".git/objects").join(&empty.to_string()[..2]).exists());

    for bad in ["", "/a", "a//b", "../a", "a/../b", ".git/config", "a/.GIT", ".g\u{200c}it/x", "git~1", "a/."] {
        let edit = [(bad.into(), Some((Mode::Plain, blob)))];
        assert!(matches!(s.repo.write_tree(None, &edit), Err(Error::BadPath { .. })), "{bad}");
    }
    let both: [(BString, _); 3] = ["a", "a.b", "a/b"].map(|p| (p.into(), Some((Mode::Plain, blob))));
    assert!(matches!(s.repo.write_tree(None, &both), Err(Error::BadPath { .. })));
    let missing: Oid = "1".repeat(40).parse().unwrap();
    let edit = [("x".into(), Some((Mode::Plain, missing)))];
    assert!(matches!(s.repo.write_tree(None, &edit), Err(Error::NoObject(id)) if id == missing));
    let me = me();
    let c = NewCommit { tree: missing, parents: vec![], author: &me, committer: &me, message: String::new() };
    assert!(matches!(s.repo.write_commit(&c), Err(Error::NoObject(_))));
}

#[test]
fn damaged_objects_are_named_and_replaced() {
    for flags in &ALL[..2] {
        let s = Scratch::with(flags);
        let id = s.repo.write_blob(b"content that is long enough to be cut").unwrap();
        let hex = id.to_string();
        let path = s.work().join(".git/objects").join(&hex[..2]).join(&hex[2..]);
        let whole = fs::read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let other = s.repo.write_blob(b"something else").unwrap().to_string();
        let other = fs::read(s.work().join(".git/objects").join(&other[..2]).join(&other[2..])).unwrap();
        for broken in [&b""[..], &whole[..whole.len() / 2], b"garbage", &other] {
            fs::write(&path, broken).unwrap();
            let found = s.repo.raw_object(id, 1000);
            assert!(matches!(found, Err(Error::Corrupt { id: at, .. }) if at == id), "{found:?}");
            assert_eq!(s.repo.write_blob(b"content that is long enough to be cut").unwrap(), id);
            assert_eq!(s.repo.raw_object(id, 1000).unwrap().1, b"content that is long enough to be cut");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        assert!(matches!(s.repo.read_blob(id, 10), Err(Error::TooLarge { size: 37, max: 10, .. })));
        let tree = s.tree(&[("a", "b")]);
        assert!(matches!(s.repo.read_blob(tree, 1000), Err(Error::WrongKind { wanted: "blob", .. })));
        assert!(matches!(s.repo.read_commit(tree), Err(Error::WrongKind { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(s.repo.read_blob(id, 1000), Err(Error::NoObject(at)) if at == id));
    }
}

#[test]
fn temporary_files_of_the_dead_are_removed_and_no_others() {
    let s = Scratch::new();
    let objects = s.work().join(".git/objects");
    let names = || -> Vec<_> {
        fs::read_dir(&objects).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let ours = scratch::mark().to_owned();
    let left = ours.replace(&format!(".{}.", std::process::id()), &format!(".{}.", dead.id()));
    let [ours, left] = [ours, left].map(|mark| format!("tmp_obj_otto_{mark}_0"));
    for name in [&ours, &left, "tmp_obj_abcdef"] {
        fs::write(objects.join(name), "").unwrap();
    }
    let id = s.repo.write_blob(b"x").unwrap().to_string();
    assert_eq!(fs::read_dir(objects.join(&id[..2])).unwrap().count(), 1, "nothing but the object");
    let left_over = |names: Vec<String>| {
        names.into_iter().filter(|n| n.starts_with("tmp_")).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(left_over(names()), [ours, "tmp_obj_abcdef".into()].into());
}

#[test]
fn a_replaced_object_is_read_as_it_is() {
    let s = Scratch::new();
    let a = s.repo.write_blob(b"a").unwrap();
    let b = s.repo.write_blob(b"b").unwrap();
    s.git(&["replace", &a.to_string(), &b.to_string()]);
    let again = Repo::open(&s.work()).unwrap();
    assert_eq!(again.read_blob(a, 10).unwrap(), b"a");
    assert_eq!(again.git(&["cat-file", "blob", &a.to_string()], None).unwrap().ok().unwrap(), b"a");
}

#[test]
fn refs_move_only_from_what_was_expected() {
    for flags in ALL {
        let s = Scratch::with(flags);
        let tree = s.tree(&[("a", "1")]);
        let (a, b) = (s.commit(tree, &[], "a"), s.commit(tree, &[], "b"));
        let refs = s.repo.refs();
        let (x, y) = ("refs/otto/x/1", "refs/otto/y");
        let swap = |edits: &[RefEdit]| refs.swap(edits, &me(), "because\nof this").unwrap();
        let lost = |name: &str, found| Swap::Lost { name: name.into(), found };

        assert_eq!(swap(&[put(x, Old::Absent, a), put(y, Old::Absent, a)]), Swap::Done);
        assert_eq!(swap(&[put(x, Old::Absent, a)]), lost(x, Some(a)), "the same value does not make it ours");
        assert_eq!(swap(&[put(x, Old::Is(a), b), put(y, Old::Is(b), a)]), lost(y, Some(a)));
        assert_eq!(refs.read(x).unwrap(), Some(a), "all or nothing");
        assert_eq!(swap(&[put(x, Old::Is(a), b), put(y, Old::Is(a), a)]), Swap::Done);
        assert_eq!(swap(&[put(x, Old::Is(b), a), put(y, Old::Is(b), b)]), lost(y, Some(a)));
        let gone = RefEdit { name: "refs/otto/z".into(), old: Old::Absent, new: None };
        assert_eq!(swap(&[put(x, Old::Is(b), a), gone.clone()]), Swap::Done);
        assert_eq!(swap(&[put("refs/otto/n", Old::Is(a), b)]), lost("refs/otto/n", None));

        assert_eq!(s.git(&["rev-parse", x, y]), format!("{a}\n{a}"));
        assert_eq!(refs.list("refs/otto/").unwrap(), [(x.to_owned(), a), (y.to_owned(), a)]);
        assert_eq!(refs.list("refs/otto/x").unwrap(), [(x.to_owned(), a)]);
        let log = s.git(&["log", "-g", "--format=%gn %ge %gs", x]);
        assert_eq!(log.lines().next().unwrap(), "A U Thor author@example.com because");
        assert_eq!(log.lines().count(), 3);

        s.git(&["pack-refs", "--all"]);
        assert_eq!(refs.read(x).unwrap(), Some(a));
        for (name, other) in [("refs/otto/y/z", y), ("refs/otto/x", x)] {
            let found = refs.swap(&[put(name, Old::Absent, a)], &me(), "w");
            assert!(matches!(&found, Err(Error::Blocks { other: o, .. }) if o == other), "{flags:?} {found:?}");
        }
        let delete = RefEdit { name: x.into(), old: Old::Is(a), new: None };
        assert_eq!(swap(&[RefEdit { old: Old::Is(b), ..delete.clone() }]), lost(x, Some(a)));
        assert_eq!(swap(&[delete]), Swap::Done);
        assert_eq!(refs.read(x).unwrap(), None);
        assert_eq!(s.git(&["for-each-ref", "--format=%(refname)"]), y);
        assert_eq!(swap(&[put("refs/otto/x", Old::Absent, b)]), Swap::Done);

        s.git(&["symbolic-ref", "refs/otto/sym", y]);
        assert_eq!(refs.read("refs/otto/sym").unwrap(), Some(a));
        let through = refs.swap(&[put("refs/otto/sym", Old::Is(a), b)], &me(), "w");
        assert!(matches!(through, Err(Error::Symbolic { .. })), "{through:?}");
        for bad in ["HEAD", "otto", "refs/otto/../x", "refs/worktree/x", "refs/otto/-x", "refs/otto/x.lock", "refs/"] {
            assert!(matches!(refs.swap(&[put(bad, Old::Absent, a)], &me(), ""), Err(Error::Ref { .. })), "{bad}");
        }
    }
}

#[test]
fn a_stale_lock_is_reported_with_the_command_that_helps() {
    let s = Scratch::new();
    let a = s.commit(s.tree(&[("a", "1")]), &[], "a");
    fs::create_dir_all(s.work().join(".git/refs/otto")).unwrap();
    fs::write(s.work().join(".git/refs/otto/x.lock"), "").unwrap();
    s.git(&["config", "core.filesRefLockTimeout", "0"]);
    let e = Repo::open(&s.work()).unwrap().refs().swap(&[put("refs/otto/x", Old::Absent, a)], &me(), "w").unwrap_err();
    assert!(matches!(&e, Error::Locked { name, .. } if name == "refs/otto/x"), "{e:?}");
    assert_eq!((e.exit(), e.hint().as_deref()), (Exit::NeedsRecovery, Some("git otto doctor")));
}

#[test]
fn the_locks_of_a_process_that_died_do_not_block() {
    let s = Scratch::new();
    let a = s.commit(s.tree(&[("a", "1")]), &[], "a");
    let git_dir = s.work().join(".git");
    fs::create_dir_all(git_dir.join("refs/otto")).unwrap();
    fs::create_dir_all(git_dir.join("otto/locks")).unwrap();
    for lock in ["refs/otto/x.lock", "refs/otto/other.lock", "packed-refs.lock"] {
        fs::write(git_dir.join(lock), "").unwrap();
    }
    // As it stands after a kill in the middle of a transaction.
    fs::write(git_dir.join("otto/locks/refs"), "refs/otto/x\npacked-refs\n../../victim\n").unwrap();
    fs::write(s.dir.path().join("victim.lock"), "").unwrap();
    assert_eq!(s.repo.refs().swap(&[put("refs/otto/x", Old::Absent, a)], &me(), "w").unwrap(), Swap::Done);
    assert!(!git_dir.join("refs/otto/x.lock").exists() && !git_dir.join("packed-refs.lock").exists());
    assert!(git_dir.join("refs/otto/other.lock").exists(), "not of that process");
    assert!(s.dir.path().join("victim.lock").exists());
    assert_eq!(fs::read(git_dir.join("otto/locks/refs")).unwrap(), b"", "nothing is in flight any more");
}

#[test]
fn no_swap_is_lost_between_threads() {
    for (flags, rounds) in [(ALL[0], 15), (ALL[2], 2)] {
        let s = Scratch::with(flags);
        s.git(&["config", "otto.fsync", "false"]);
        let tree = s.tree(&[("a", "1")]);
        let name = "refs/otto/chain";
        std::thread::scope(|scope| {
            for t in 0..8 {
                let s = &s;
                scope.spawn(move || {
                    for i in 0..rounds {
                        loop {
                            let tip = s.repo.refs().read(name).unwrap();
                            let new = s.commit(tree, tip.as_slice(), &format!("{t} {i}"));
                            let edit = put(name, tip.map_or(Old::Absent, Old::Is), new);
                            // Somebody's lock is no loss: nothing was done.
                            match s.repo.refs().swap(&[edit], &me(), "w") {
                                Ok(Swap::Done) => break,
                                Ok(Swap::Lost { .. }) | Err(Error::Locked { .. }) => {}
                                Err(e) => panic!("{e:?}"),
                            }
                        }
                    }
                });
            }
            if flags.is_empty() {
                scope.spawn(|| {
                    (0..20).for_each(|_| drop(s.git(&["-c", "core.packedRefsTimeout=60000", "pack-refs", "--all"])))
                });
            }
        });
        let tip = s.repo.refs().read(name).unwrap().unwrap();
        let chain = s.repo.first_parents(tip, usize::MAX).unwrap();
        assert_eq!(chain.len(), 8 * rounds);
        let seen: std::collections::BTreeSet<BString> =
            chain.iter().map(|id| s.repo.read_commit(*id).unwrap().message).collect();
        assert_eq!(seen.len(), 8 * rounds);
        assert!(s.repo.is_ancestor(chain[chain.len() - 1], tip).unwrap());
        assert!(!s.repo.is_ancestor(tip, chain[1]).unwrap());
    }
}

#[test]
fn a_checkout_is_the_tree_and_nothing_else() {
    for flags in &ALL[..2] {
        let s = Scratch::with(flags);
        s.git(&["config", "core.autocrlf", "true"]);
        fs::create_dir_all(s.work().join("d/deep")).unwrap();
        fs::write(s.work().join("d/deep/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(s.work().join("d/deep/run"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(s.work().join("bytes"), [0, 13, 10, 255]).unwrap();
        fs::write(s.work().join("text"), "a\nb\n").unwrap();
        fs::write(s.work().join(".gitattributes"), "text eol=crlf ident\nsecret export-ignore\n").unwrap();
        fs::write(s.work().join("secret"), "$Id$").unwrap();
        std::os::unix::fs::symlink("d/deep/run", s.work().join("link")).unwrap();
        s.git(&["add", "-A"]);
        s.git(&["commit", "-qm", "x"]);
        let tree = s.repo.read_commit(s.repo.resolve("HEAD").unwrap()).unwrap().tree;
        let out = s.dir.path().join("out");
        s.repo.checkout(tree, &out).unwrap();
        // What git would store of the folder is the tree: nothing is missing, nothing was converted.
        git(s.dir.path(), s.dir.path(), &["init", "-q", "out", flags.first().copied().unwrap_or("-q")]);
        git(&out, s.dir.path(), &["-c", "core.attributesFile=/dev/null", "add", "-A"]);
        assert_eq!(fs::read(out.join("text")).unwrap(), b"a\nb\n");
        assert_eq!(git(&out, s.dir.path(), &["write-tree"]), tree.to_string());
        assert_eq!(fs::read_link(out.join("link")).unwrap().to_str(), Some("d/deep/run"));
        let full = s.repo.checkout(tree, &out).unwrap_err();
        assert!(matches!(full, Error::Io { what: "check out into", .. }), "{full:?}");
    }
}

#[test]
fn a_hostile_tree_stays_inside() {
    let s = Scratch::new();
    let blob = s.repo.write_blob(b"x").unwrap().0;
    let sub = s.tree(&[("f", "x")]).0;
    let outside = s.repo.write_blob(s.dir.path().join("victim").to_str().unwrap().as_bytes()).unwrap().0;
    fs::create_dir(s.dir.path().join("victim")).unwrap();
    let write = |entries: &[(&str, &str, gix::ObjectId)]| {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(id.as_slice());
        }
        s.repo.write_raw(&s.repo.local(), gix::objs::Kind::Tree, &bytes).unwrap()
    };
    for name in ["..", ".", ".git", ".GiT", ".git ", ".g\u{200c}it", "git~1", "a/b"] {
        let tree = write(&[("100644", name, blob)]);
        let found = s.repo.checkout(tree, &s.dir.path().join("out"));
        assert!(matches!(found, Err(Error::BadPath { .. })), "{name:?} {found:?}");
    }
    // A link, then a folder of the same name: what a file system that folds case makes of `A` and `a`.
    let tree = write(&[("120000", "a", outside), ("40000", "a", sub)]);
    assert!(matches!(s.repo.checkout(tree, &s.dir.path().join("out2")), Err(Error::Io { what: "create", .. })));
    assert_eq!(fs::read_dir(s.dir.path().join("victim")).unwrap().count(), 0);
}

#[test]
fn identity_is_taken_as_git_takes_it() {
    let s = Scratch::new();
    let now = Timestamp::from_millis(1_700_000_000_999);
    let env = s.env();
    let e = Repo::discover(&env).unwrap().identity(now).unwrap_err();
    assert_eq!(e.exit(), Exit::Usage);
    assert_eq!(e.hint().unwrap().lines().filter(|l| l.starts_with("git config --global user.")).count(), 2);

    fs::write(s.dir.path().join(".gitconfig"), "[user]\n name = Ann <x>\n email = ann@example.org\n").unwrap();
    let (author, committer) = Repo::discover(&env).unwrap().identity(now).unwrap();
    assert_eq!((author.name.as_str(), author.email.as_str()), ("Ann x", "ann@example.org"));
    assert_eq!(author, committer);
    s.git(&["config", "author.name", "Bob"]);
    let mut env = env;
    env.git.insert("GIT_COMMITTER_EMAIL".into(), "c@example.org".into());
    let (author, committer) = Repo::discover(&env).unwrap().identity(now).unwrap();
    assert_eq!((author.name.as_str(), committer.name.as_str()), ("Bob", "Ann x"));
    assert_eq!((author.email.as_str(), committer.email.as_str()), ("ann@example.org", "c@example.org"));
}

#[test]
fn a_configuration_that_git_could_not_tell_to_the_end_is_no_empty_one() {
    let s = Scratch::new();
    let mut env = s.env();
    let program = s.dir.path().join("bin/git");
    fs::create_dir(program.parent().unwrap()).unwrap();
    // As git behaves where its pipe takes no more.
    fs::write(&program, "#!/bin/sh\nprintf 'user.name\\nAnn\\0user.em'\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    env.vars.insert("PATH".into(), program.parent().unwrap().into());
    let e = Repo::discover(&env).unwrap().identity(Timestamp::from_millis(0)).unwrap_err();
    assert_eq!((e.exit(), e.to_string().as_str()), (Exit::Internal, "git config --list did not answer to the end"));
}

#[test]
fn configuration_is_read_at_every_level() {
    let s = Scratch::new();
    fs::write(s.dir.path().join(".gitconfig"), "[otto]\n jobs = 1\n agent = a\n[otto \"Build.X\"]\n agent = b\n")
        .unwrap();
    s.git(&["config", "otto.jobs", "2k"]);
    s.git(&["config", "--add", "otto.list", "one"]);
    s.git(&["config", "--add", "otto.list", "two"]);
    fs::write(s.work().join(".git/more"), "[otto]\n on\n bad = maybe\n").unwrap();
    s.git(&["config", "include.path", "more"]);
    let mut env = s.env();
    env.git.insert("GIT_CONFIG_PARAMETERS".into(), "'otto.depth'='3'".into());
    let repo = Repo::discover(&env).unwrap();
    assert_eq!(repo.config_int("otto.JOBS").unwrap(), Some(2048));
    assert_eq!(repo.config_int("otto.depth").unwrap(), Some(3));
    assert_eq!(repo.config("Otto.Build.X.Agent").as_deref(), Some("b"));
    assert_eq!(repo.config("otto.build.x.agent"), None);
    assert_eq!(repo.config_all("otto.list"), ["one", "two"]);
    assert_eq!(repo.config_bool("otto.on").unwrap(), Some(true));
    assert!(matches!(repo.config_bool("otto.bad"), Err(Error::Config { .. })));
    assert_eq!(repo.config_bool("otto.unset").unwrap(), None);
    assert_eq!(s.repo.config("otto.agent"), None, "opened by path: only its own");
}

#[test]
fn repositories_are_found_and_strange_ones_refused() {
    let s = Scratch::new();
    fs::create_dir_all(s.work().join("a/b")).unwrap();
    let mut env = s.env();
    env.cwd = s.work().join("a/b");
    let real = |p: &std::path::Path| p.canonicalize().unwrap();
    let repo = Repo::discover(&env).unwrap();
    assert_eq!(real(repo.work_dir().unwrap()), real(&s.work()));
    assert_eq!(real(repo.git_dir()), real(&s.work().join(".git")));
    env.cwd = s.dir.path().to_owned();
    let e = Repo::discover(&env).err().unwrap();
    assert_eq!((e.exit(), e.hint().as_deref()), (Exit::Usage, Some("git init")));
    // One that is there and cannot be read is not told to be made.
    env.cwd = s.work().join("a");
    fs::rename(s.work().join(".git/refs"), s.work().join(".git/away")).unwrap();
    let e = Repo::discover(&env).err().unwrap();
    assert_eq!((e.exit(), e.hint()), (Exit::Internal, None), "{e}");
    fs::rename(s.work().join(".git/away"), s.work().join(".git/refs")).unwrap();
    env.cwd = s.dir.path().to_owned();
    env.git.insert("GIT_DIR".into(), "work/.git".into());
    assert_eq!(real(Repo::discover(&env).unwrap().git_dir()), real(&s.work().join(".git")));

    git(s.dir.path(), s.dir.path(), &["init", "-q", "--bare", "bare"]);
    let bare = Repo::open(&s.dir.path().join("bare")).unwrap();
    assert_eq!((bare.work_dir(), bare.checked_out().unwrap()), (None, vec![]));
    assert!(matches!(bare.head().unwrap(), Head::Branch(_, None)));

    let made = Repo::init(&s.dir.path().join("made")).unwrap();
    assert_eq!(made.head().unwrap(), Head::Branch("refs/heads/main".into(), None));
    assert_eq!(
        git(&s.dir.path().join("made"), s.dir.path(), &["status", "--porcelain=v2", "-b"]).lines().nth(1),
        Some("# branch.head main")
    );

    s.git(&["commit", "--allow-empty", "-qm", "x"]);
    s.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
    let linked = Repo::open(&s.dir.path().join("linked")).unwrap();
    assert_eq!(real(linked.common_dir()), real(&s.work().join(".git")));
    let heads: Vec<Head> = linked.checked_out().unwrap().into_iter().map(|(_, h)| h).collect();
    let id = s.repo.resolve("HEAD").unwrap();
    let on = |b: &str| Head::Branch(format!("refs/heads/{b}"), Some(id));
    assert_eq!(heads, [on("main"), on("side")]);
    assert_eq!(linked.refs().swap(&[put("refs/otto/x", Old::Absent, id)], &me(), "w").unwrap(), Swap::Done);
    assert_eq!(s.repo.refs().read("refs/otto/x").unwrap(), Some(id));
    for bad in ["", "--output=f", "nothing", "HEAD~5"] {
        assert!(matches!(s.repo.resolve(bad), Err(Error::Revision { .. })), "{bad}");
    }

    s.git(&["config", "core.repositoryFormatVersion", "1"]);
    s.git(&["config", "extensions.surprise", "true"]);
    assert!(matches!(Repo::open(&s.work()), Err(Error::Unsupported { what, .. }) if what == "extensions.surprise"));
}

#[test]
fn what_surrounds_us_does_not_reach_git() {
    let s = Scratch::new();
    let mut env = s.env();
    env.git.insert("GIT_OBJECT_DIRECTORY".into(), "/nonexistent".into());
    env.git.insert("GIT_INDEX_FILE".into(), "/nonexistent".into());
    let hooks = s.work().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("reference-transaction");
    fs::write(&hook, "#!/bin/sh\ntouch hooked\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let repo = Repo::discover(&env).unwrap();
    let id = repo.write_blob(b"x").unwrap().to_string();
    assert_eq!(repo.git(&["cat-file", "-t", &id], None).unwrap().ok().unwrap(), b"blob\n");
    let out = repo.git(&["hash-object", "--stdin"], Some(b"x")).unwrap().ok().unwrap();
    assert_eq!(String::from_utf8(out).unwrap().trim(), id);
    repo.git(&["update-ref", "refs/otto/x", &id], None).unwrap().ok().unwrap();
    assert!(!s.work().join(".git/hooked").exists() && !s.work().join("hooked").exists());
    assert!(matches!(repo.git(&["cat-file", "-t", "nope"], None).unwrap().ok(), Err(Error::Git { .. })));
}

#[test]
fn a_commit_cannot_be_forged_through_a_name() {
    let s = Scratch::new();
    let tree = s.tree(&[("a", "1")]);
    let evil =
        Signature { name: "a>\nparent 0 <b\u{0}".into(), email: "<e>\n".into(), time: Timestamp::from_millis(-5) };
    let c = NewCommit { tree, parents: vec![], author: &evil, committer: &evil, message: "m\0hidden".into() };
    let id = s.repo.write_commit(&c).unwrap();
    let read = s.repo.read_commit(id).unwrap();
    assert_eq!((read.author.name.as_str(), read.author.email.as_str()), ("aparent 0 b", "e"));
    assert_eq!((read.parents.len(), read.message.to_string()), (0, "mhidden".into()));
    s.git(&["fsck", "--strict", &id.to_string()]);
    let nobody = Signature { name: " . ".into(), ..evil.clone() };
    let c = NewCommit { author: &nobody, committer: &nobody, ..c };
    s.repo.write_commit(&c).unwrap();
    s.git(&["fsck", "--strict"]);
}

#[test]
fn commits_are_signed_when_git_would_sign_them() {
    let s = Scratch::new();
    let key = s.dir.path().join("key");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let tree = s.tree(&[("a", "1")]);
    let me = me();
    let c = NewCommit { tree, parents: vec![], author: &me, committer: &me, message: "signed\n".into() };
    assert_eq!(s.repo.write_signed_commit(&c).unwrap(), s.repo.write_commit(&c).unwrap());
    for (key, value) in [("commit.gpgSign", "true"), ("gpg.format", "ssh"), ("user.signingKey", key.to_str().unwrap())]
    {
        s.git(&["config", "--global", key, value]);
    }
    let signed = Repo::discover(&s.env()).unwrap().write_signed_commit(&c).unwrap();
    let allowed = s.dir.path().join("allowed");
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    fs::write(&allowed, format!("author@example.com {public}")).unwrap();
    let file = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    s.git(&["-c", &file, "verify-commit", &signed.to_string()]);
    assert_eq!(s.repo.read_commit(signed).unwrap().message, "signed\n");
}

mod merge;

#[test]
fn credential_helpers_are_asked_and_have_not_for_ever() {
    let s = Scratch::new();
    let env = s.env();
    let world = crate::base::World::real(env.clone()).unwrap();
    let ask = |helper: &str, patience: u64| {
        s.git(&["config", "credential.helper", helper]);
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let patience = std::time::Duration::from_millis(patience);
        rt.block_on(Repo::discover(&env).unwrap().credential(&*world.procs, "https://models.example/v1", patience))
    };
    let answer = "!f() { grep -q ^host=models.example && echo username=x && echo password=abc; }; f";
    assert_eq!(ask(answer, 20_000).unwrap().as_deref(), Some("abc"));
    // Who knows nothing is no error, and nobody is asked in its place.
    for silent in ["", "!false", "!echo username=x", "!echo password="] {
        assert_eq!(ask(silent, 20_000).unwrap(), None, "{silent}");
    }
    let e = ask("!f() { sleep 600; }; f", 100).unwrap_err().to_string();
    assert!(e.contains("credential") && e.contains("no answer"), "{e}");
    let repo = Repo::discover(&env).unwrap();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let patience = std::time::Duration::from_secs(20);
    s.git(&["config", "credential.helper", answer]);
    let two = "https://other.example\nhost=models.example";
    assert_eq!(rt.block_on(repo.credential(&*world.procs, two, patience)).unwrap(), None);
}
