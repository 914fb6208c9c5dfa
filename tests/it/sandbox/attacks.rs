//! What a confined program tries to get at.

use std::{net::TcpListener, process::Command};

use git_otto::{
    base::procs::{Ended, Finished},
    sandbox::Level,
};

use super::{Place, SECRET, available, confining, levels, read, runs, words};

/// Something that succeeds unconfined and must not confined.
struct Attack {
    name: &'static str,
    script: &'static str,
    /// Whether it succeeded.
    succeeded: fn(&Place, &Finished) -> bool,
}

const fn reads(name: &'static str, script: &'static str) -> Attack {
    Attack { name, script, succeeded: |_, done| done.stdout.contains(SECRET.as_bytes()) }
}

const fn writes(name: &'static str, script: &'static str, succeeded: fn(&Place, &Finished) -> bool) -> Attack {
    Attack { name, script, succeeded }
}

const ATTACKS: &[Attack] = &[
    reads("a key of the user", r#"cat "$HOME/.ssh/id""#),
    reads("a file of the user", r#"cat "$HOME/notes""#),
    reads("passwords for hosts", r#"cat "$HOME/.netrc""#),
    reads("passwords for git", r#"cat "$HOME/.git-credentials""#),
    reads("a token of a forge", r#"cat "$HOME/.config/gh/hosts.yml""#),
    reads("a token among the tools", r#"cat "$HOME/.cargo/credentials.toml""#),
    reads("through a link", r#"ln -s "$HOME/.ssh/id" link && cat link"#),
    reads("through a hard link", r#"ln "$HOME/.ssh/id" link && cat link"#),
    reads("through a hard link to a token among the tools", r#"ln "$HOME/.cargo/credentials.toml" link && cat link"#),
    reads("by moving it here", r#"mv "$HOME/.ssh/id" moved && cat moved"#),
    reads("upwards", "cat ../../../../../home/.ssh/id"),
    reads("another workspace", r#"cat "$PEER/peer""#),
    reads("through another process's root", r#"cat "/proc/$OUTSIDE/root$HOME/.ssh/id""#),
    reads("through another process's folder", r#"cat "/proc/$OUTSIDE/cwd/home/.ssh/id""#),
    reads("the environment of another process", r#"tr '\0' '\n' < "/proc/$OUTSIDE/environ""#),
    reads(
        "by uncovering what is hidden",
        r#"umount -l "$HOME" 2>/dev/null; umount -l /tmp 2>/dev/null; cat "$HOME/.ssh/id""#,
    ),
    reads(
        "in namespaces of its own",
        r#"unshare -Urm sh -c 'umount -l "$HOME"; umount -l /tmp; cat "$HOME/.ssh/id"' 2>&1"#,
    ),
    reads("in a sandbox of its own", r#"bwrap --bind / / --dev /dev cat "$HOME/.ssh/id""#),
    writes("a file of the user", r#"echo planted > "$HOME/planted""#, |p, _| p.file("home/planted").is_some()),
    writes("through a link to a folder", r#"ln -s "$HOME" out; echo planted > out/planted"#, |p, _| {
        p.file("home/planted").is_some()
    }),
    writes("a tool of the user", r#"echo planted > "$HOME/.cargo/bin/otto-test-tool""#, |p, _| {
        p.file("home/.cargo/bin/otto-test-tool").as_deref() == Some("planted\n")
    }),
    writes("a new tool", r#"echo planted > "$HOME/.cargo/bin/planted""#, |p, _| {
        p.file("home/.cargo/bin/planted").is_some()
    }),
    writes("the repository's settings", r#"echo '[planted]' >> "$REPO/.git/config""#, |p, _| {
        p.file("repo/.git/config").unwrap().contains("planted")
    }),
    writes("a program that git starts", r#"git -C "$REPO" config core.fsmonitor planted"#, |p, _| {
        p.file("repo/.git/config").unwrap().contains("planted")
    }),
    writes("a hook", r#"mkdir -p "$REPO/.git/hooks"; echo planted > "$REPO/.git/hooks/pre-commit""#, |p, _| {
        p.file("repo/.git/hooks/pre-commit").is_some()
    }),
    writes("a ref", r#"cp "$REPO/.git/refs/heads/main" "$REPO/.git/refs/heads/planted""#, |p, _| {
        p.file("repo/.git/refs/heads/planted").is_some()
    }),
    writes("the branch", r#"echo planted > "$REPO/.git/refs/heads/main""#, |p, _| {
        p.file("repo/.git/refs/heads/main").as_deref() == Some("planted\n")
    }),
    writes("an object", r#"echo planted > "$REPO/.git/objects/planted""#, |p, _| {
        p.file("repo/.git/objects/planted").is_some()
    }),
    writes("what the repository does not have yet", r#"mkdir -p "$REPO/.git/modules/planted""#, |p, _| {
        p.s.path("repo/.git/modules/planted").exists()
    }),
    writes("the user's checkout", r#"echo planted > "$REPO/README.md""#, |p, _| {
        p.file("repo/README.md").as_deref() == Some("planted\n")
    }),
    writes("a new file in the user's checkout", r#"echo planted > "$REPO/planted""#, |p, _| {
        p.file("repo/planted").is_some()
    }),
    writes("the whole repository", r#"rm -rf "$REPO""#, |p, _| !p.s.path("repo/.git/HEAD").exists()),
    writes("the repository out of the way", r#"mv "$REPO" "$REPO.moved""#, |p, _| p.s.path("repo.moved").exists()),
    writes("another workspace", r#"echo planted > "$PEER/peer""#, |p, _| {
        p.file("state/git-otto/0123/ws-2/tree/peer").as_deref() == Some("planted\n")
    }),
    writes("a workspace that does not exist yet", r#"mkdir -p "$PEER/../../ws-3/tree""#, |p, _| {
        p.s.path("state/git-otto/0123/ws-3").exists()
    }),
    writes(
        "the user's checkout in namespaces of its own",
        r#"unshare -Urm sh -c 'mount -o remount,rw,bind /; umount -l /tmp; echo planted > "$REPO/planted"'"#,
        |p, _| p.file("repo/planted").is_some(),
    ),
    writes(
        "the user's checkout in a sandbox of its own",
        r#"bwrap --bind / / --dev /dev sh -c 'echo planted > "$REPO/planted"'"#,
        |p, _| p.file("repo/planted").is_some(),
    ),
];

/// Whether an attack needs a program that this machine lacks or forbids: then it proves nothing.
fn can(attack: &Attack) -> bool {
    let works = |program: &str, args: &[&str]| {
        Command::new(program).args(args).arg("true").output().is_ok_and(|out| out.status.success())
    };
    match attack.script.split(' ').next() {
        Some("unshare") => works("unshare", &["-Urm"]),
        Some("bwrap") => works("bwrap", &["--bind", "/", "/", "--dev", "/dev"]),
        _ => true,
    }
}

/// A place with a process outside of any confinement, which works in the place and knows a secret.
fn attacked(attack: &Attack, level: Level) -> bool {
    let mut p = Place::new();
    let mut outside =
        Command::new("sleep").arg("1000").env_clear().env("TOKEN", SECRET).current_dir(p.s.path("")).spawn();
    let outside = outside.as_mut().unwrap();
    p.env.push(("OUTSIDE".into(), outside.id().to_string().into()));
    let done = p.sh(level, attack.script);
    let succeeded = (attack.succeeded)(&p, &done);
    outside.kill().unwrap();
    outside.wait().unwrap();
    if level != Level::None && succeeded {
        eprintln!("{level}: {}: {}", attack.name, words(&done));
    }
    succeeded
}

#[test]
fn attacks_fail() {
    let mut wrong = Vec::new();
    for attack in ATTACKS.iter().filter(|attack| can(attack)) {
        for level in levels() {
            if attacked(attack, level) != (level == Level::None) {
                wrong.push(format!("{level}: {}: {}", attack.name, attack.script));
            }
        }
    }
    assert!(wrong.is_empty(), "these succeeded confined, or failed unconfined:\n{}", wrong.join("\n"));
}

#[test]
fn the_system_cannot_be_written() {
    let p = Place::new();
    for level in confining() {
        for folder in ["/etc", "/usr", "/var", "/opt", "/", "/run", "/sys", "/proc/sys/kernel"] {
            let done = p.sh(level, &format!(": > {folder}/otto-test-planted"));
            let there = std::path::Path::new(folder).join("otto-test-planted");
            assert!(!there.exists(), "{level}: {folder}: {}", words(&done));
        }
        let done = p.sh(level, "mknod disk b 8 0");
        assert_ne!(done.ended, Ended::Exit(0), "{level}");
        // Opened for writing and closed again: that much must not be possible. Root owns these files.
        for file in
            ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/power/state"]
        {
            assert_ne!(p.sh(level, &format!(": >> {file}")).ended, Ended::Exit(0), "{level}: {file}");
        }
    }
}

#[test]
fn sockets_of_services_are_out_of_sight() {
    let p = Place::new();
    for level in confining() {
        assert_eq!(p.says(level, "ls -A /run 2>/dev/null || true"), "", "{level}");
    }
}

#[test]
fn each_program_has_a_tmp_of_its_own() {
    let mut p = Place::new();
    let shared = tempfile::NamedTempFile::new_in("/tmp").unwrap();
    std::fs::write(shared.path(), SECRET).unwrap();
    let planted = shared.path().with_extension("planted");
    p.env.extend([("SHARED".into(), shared.path().into()), ("PLANTED".into(), planted.clone().into())]);
    for level in levels() {
        let done = p.sh(level, r#"cat "$SHARED"; echo planted > "$PLANTED""#);
        assert_eq!(done.stdout.contains(SECRET.as_bytes()), level == Level::None, "{level}: {}", words(&done));
        assert_eq!(std::fs::remove_file(&planted).is_ok(), level == Level::None, "{level}");
        p.says(level, "echo mine > \"$TMPDIR/mine\"");
        if level == Level::Bubblewrap {
            assert_eq!(p.says(level, "cat /tmp/mine"), "mine\n");
        }
    }
}

#[test]
fn what_a_program_needs_is_there() {
    let p = Place::new();
    for level in levels() {
        assert_eq!(p.says(level, "otto-test-tool"), "a tool of the user\n", "{level}");
        assert_eq!(p.says(level, r#"cat "$HOME/.cargo/bin/otto-test-tool" | wc -l"#).trim(), "2", "{level}");
        let objects = r#"find "$REPO/.git/objects" -type f -exec cat {} + | wc -c"#;
        assert_ne!(p.says(level, objects).trim(), "0", "{level}");
        p.says(
            level,
            "echo changed > own && mkdir -p a/b && echo new > a/b/new && mv a/b/new a/new && ln own c && rm c",
        );
        assert_eq!(read(&p.workspace().join("a/new")), "new\n", "{level}");
        // Its own `.git` is its own matter: otto reads nothing from it.
        p.says(
            level,
            "rm -rf .git && git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
        );
        p.says(level, "echo > /dev/null && head -c 8 /dev/urandom > /dev/null && echo x | tee /dev/stderr");
        p.says(level, "rm -rf a .git");
    }
}

#[test]
fn a_link_to_a_tools_home_leads_there() {
    let p = Place::new();
    std::fs::rename(p.s.path("home/.cargo"), p.s.path("tools")).unwrap();
    std::os::unix::fs::symlink(p.s.path("tools"), p.s.path("home/.cargo")).unwrap();
    for level in levels() {
        assert_eq!(p.says(level, "otto-test-tool"), "a tool of the user\n", "{level}");
        let token = p.sh(level, r#"cat "$HOME/.cargo/credentials.toml""#);
        assert_eq!(token.stdout.contains(SECRET.as_bytes()), level == Level::None, "{level}");
    }
}

#[test]
fn the_network_is_there_only_where_it_is_allowed() {
    let mut p = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for level in levels() {
        for allowed in [false, true] {
            p.rules.network = allowed;
            p.run(level, &p.spec(&["bash", "-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")]));
            let held = level == Level::Bubblewrap
                || (level == Level::Landlock && available().landlock.as_ref().is_ok_and(|l| l.abi >= 4));
            assert_eq!(listener.accept().is_ok(), allowed || !held, "{level}, network allowed: {allowed}");
        }
    }
}

#[test]
fn a_process_outside_is_out_of_reach() {
    for level in levels() {
        let p = Place::new();
        let word = format!("8{:011}", p.s.seed);
        let mut outside = Command::new("sleep").arg(&word).spawn().unwrap();
        p.sh(level, &format!("kill -9 {}", outside.id()));
        let held = level == Level::Bubblewrap
            || (level == Level::Landlock && available().landlock.as_ref().is_ok_and(|l| l.abi >= 6));
        let ended = outside.try_wait().unwrap();
        // Unconfined the signal was sent; that it acted may take a moment.
        assert!(
            if held { ended.is_none() && runs(&word) } else { outside.wait().unwrap().code().is_none() },
            "{level}"
        );
        let _ = outside.kill();
        let _ = outside.wait();
    }
}
