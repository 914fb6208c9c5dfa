//! A run in a repository that others made leaves everything of theirs alone, and what it adds can be checked with git.

use super::*;
use crate::support::EXAMPLE;

/// Two hundred commits, every tenth a merge.
fn history(s: &Sandbox) {
    let mut stream = String::new();
    let mut commit = |branch: &str, i: usize, parents: &str, path: String| {
        let time = 1_600_000_000 + i * 60;
        stream += &format!("commit refs/heads/{branch}\ncommitter Bo <bo@example.org> {time} +0100\n");
        stream += &format!("data <<.\nChange {i}\n.\n{parents}M 100644 inline {path}\ndata <<.\nline {i}\n.\n\n");
    };
    for i in 0..200 {
        let from = if i == 0 { "from refs/heads/main^0\n" } else { "" };
        if i % 10 == 9 {
            commit("topic", i, "from refs/heads/main\n", format!("src/t{i}.c"));
            commit("main", i, "merge refs/heads/topic\n", format!("src/m{}.c", i % 7));
        } else {
            commit("main", i, from, format!("src/d{}/f{}.c", i % 17, i % 23));
        }
    }
    s.git_with_input(&["fast-import", "--quiet", "--force"], stream.as_bytes());
    s.git(&["reset", "-q", "--hard"]);
    // What a tree may hold besides plain files.
    s.script("repo/run.sh", "#!/bin/sh\n");
    std::os::unix::fs::symlink("/etc/passwd", s.path("repo/link")).unwrap();
    s.write("repo/na\\me\n\"ü", "odd\n");
    s.git(&["add", "."]);
    let other = s.git(&["rev-parse", "HEAD"]);
    s.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{other},sub")]);
    s.git(&["commit", "-q", "-m", "Odd ones"]);
}

/// A stash, changes in every state, hooks and a filter that leave a mark wherever they are run.
fn in_use(s: &Sandbox) {
    s.commit("Attributes", &[(".gitattributes", "* filter=mark\n"), (".gitignore", "*.o\n")]);
    s.write("repo/README.md", "Stashed.\n");
    s.git(&["stash", "-q"]);
    s.write("repo/src/m1.c", "staged\n");
    s.git(&["add", "src/m1.c"]);
    s.write("repo/src/m1.c", "staged, then changed\n");
    s.write("repo/src/m2.c", "changed\n");
    s.git(&["rm", "-q", "--cached", "src/m3.c"]);
    s.write("repo/untracked", "new\n");
    s.write("repo/built.o", "ignored\n");
    s.git(&["update-index", "--assume-unchanged", "src/m4.c"]);
    let mark = format!("#!/bin/sh\ntouch '{}'\n", s.path("mark").display());
    let touch = s.script("touch-mark", &mark);
    s.git(&["config", "filter.mark.smudge", &format!("'{}'; cat", touch.display())]);
    s.git(&["config", "alias.otto-mark", "!false"]);
    for hook in [
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-merge",
        "pre-rebase",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "post-rewrite",
        "pre-auto-gc",
        "pre-merge-commit",
    ] {
        s.script(&format!("repo/.git/hooks/{hook}"), &mark);
    }
}

#[test]
fn the_example_lands_in_a_repository_in_use_and_nothing_else_changes() {
    let s = Sandbox::new();
    history(&s);
    in_use(&s);
    let base = s.git(&["rev-parse", "HEAD"]);
    let _ = std::fs::remove_file(s.path("mark"));
    s.write("jot.md", EXAMPLE);
    let before = s.snapshot();

    let run = Run::read(s.otto(&["run", "--yes", "--json", "../jot.md"])).ends(0);
    assert!(!s.path("mark").exists(), "a run runs no hook and no filter of the user");
    before.assert_same(&s.snapshot());

    let landed = landings(&s, &base, "otto/jot");
    // `list` and `find` are built at once: whichever is done first lands first.
    let mut slices = order(&landed);
    slices[2..].sort_unstable();
    assert_eq!(slices, ["front", "add", "find", "list"], "one landing a slice");
    assert!(landed.iter().all(|(_, r)| r["run"] == run.run() && r["agent"] == "literate"));
    let told: Vec<_> = run.packet["landings"].as_array().unwrap().iter().map(|l| l["commit"].clone()).collect();
    assert_eq!(told, landed.iter().map(|(c, _)| json!(c)).collect::<Vec<_>>());
    assert_eq!(s.git(&["rev-parse", "otto/jot"]), landed[3].0);

    let log = s.git(&["log", "--first-parent", "--notes=otto/*", "-4", "otto/jot"]);
    for slice in ["front", "add", "list", "find"] {
        assert!(log.contains(&format!("Slice {slice} passed ")), "{log}");
    }
    assert_eq!(log.matches("{\"receipt\":1,").count(), 4, "{log}");
    assert_eq!(log.matches("Otto-Run: ").count(), 4, "{log}");
    let changed = s.git(&["diff-tree", "-r", "--name-status", &base, "otto/jot"]);
    assert_eq!(changed, "A\t.otto/specs/jot.json\nA\tcmd/add\nA\tcmd/find\nA\tcmd/list\nA\tjot");
    // The checked-in copy of the spec is the spec, and the product works.
    let spec = s.git(&["rev-parse", "refs/otto/specs/jot:spec.json"]);
    assert_eq!(s.git(&["rev-parse", "otto/jot:.otto/specs/jot.json"]), spec);
    assert_sound(&s);

    // What nothing but a note or a journal names survives too.
    let packet = std::fs::read(run.answer["packet_json"].as_str().unwrap()).unwrap();
    let evidence = run.packet["checks"][0]["results"][0]["blob"].as_str().unwrap();
    s.git(&["reflog", "expire", "--expire=now", "--all"]);
    s.git(&["gc", "-q", "--prune=now"]);
    for notes in s.git(&["for-each-ref", "--format=%(refname)", "refs/notes/otto"]).lines() {
        let (ref_, tip) = (format!("--ref={notes}"), s.git(&["rev-parse", notes]));
        s.git(&["notes", &ref_, "prune"]);
        assert_eq!(s.git(&["rev-parse", notes]), tip, "prune finds nothing to drop");
    }
    assert_eq!(landings(&s, &base, "otto/jot"), landed);
    assert!(s.git(&["cat-file", "blob", evidence]).contains("\"otto.evidence/1\""));
    assert_sound(&s);
    let again = Run::read(s.otto(&["run", "--yes", "--json", "../jot.md"])).ends(0);
    assert_eq!(again.events, Vec::<Value>::new(), "nothing changed: nothing is done");
    assert_eq!(std::fs::read(again.answer["packet_json"].as_str().unwrap()).unwrap(), packet);
    assert_eq!(again.markdown, run.markdown, "the same refs give the same bytes");
}

#[test]
fn what_landed_can_be_merged_and_used() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    s.otto(&["run", "--yes", "../jot.md"]).exits(0);
    s.git(&["merge", "-q", "--ff-only", "otto/jot"]);
    let out = s.spawn(s.command("./jot", "repo").args(["add", "tea"]), None).wait().exits(0);
    assert_eq!(out.stdout, "1\n");
}
