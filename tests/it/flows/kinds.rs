//! Conflicts that no marks in a file can show: binary files, renames, modes and links. They go back to their agent or end in an
//! honest blocked, and no side's bytes are lost.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const OURS: &[u8] = b"\0mine\0";
const THEIRS: &[u8] = b"\0theirs\0";

/// Slice `b` changes four files; a person changes the same ones on the target meanwhile, each in another way. What its agent
/// does at its further attempts is a script of the shell.
fn crossed(s: &Sandbox, further: &str) -> Run {
    let lines = "one\ntwo\nthree\nfour\nfive\n";
    let files = [("old.txt", lines), ("run.sh", "echo\n"), ("link", "text\n"), ("pic.bin", "\0both\0")];
    s.commit("Start", &files);
    std::fs::write(s.path("pic"), OURS).unwrap();
    let [at_b, landed, tasks, pic] =
        ["b-at-work", "a-landed", "task", "pic"].map(|name| s.path(name).display().to_string());
    let script = format!(
        r#"task=$(cat)
n=$(printf '%s' "$task" | sed 's/.*"attempt":\([0-9]*\).*/\1/')
case $task in
*'"slice":"a"'*) while ! test -e {at_b}; do :; done; echo a > a.txt;;
*) printf '%s' "$task" > {tasks}-$n
   case $n in
   1) cp {pic} pic.bin; sed -i s/three/mine/ old.txt; echo mine >> run.sh; chmod +x run.sh; echo mine > link
      echo b > b.txt; : > {at_b}; while ! test -e {landed}; do :; done;;
   {further}
   esac;;
esac
echo '{{"schema":"otto.result/1","ok":true,"summary":"done"}}'
"#
    );
    let agent = format!("command:sh {}", s.script("agent.sh", &script).display());
    let body = "Owns: `b.txt`, `pic.bin`, `old.txt`, `new.txt`, `run.sh`, `link`.\n\nCheck: `cat b.txt` prints `b`."
        .to_owned();
    s.write("intent.md", intent("Two", "", &[("a", &[], plain("a")), ("b", &[], body)], ""));
    let base = s.git(&["rev-parse", "main"]);
    let mut running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "2"], &[]);
    let branch = s.path("repo/.git/refs/heads/otto/two");
    assert!(running.wait_until(|| std::fs::read_to_string(&branch).is_ok_and(|at| at.trim() != base)));
    s.git(&["clone", "-q", "-b", "otto/two", ".", "../other"]);
    let other = s.path("other");
    std::fs::write(other.join("pic.bin"), THEIRS).unwrap();
    std::fs::rename(other.join("old.txt"), other.join("new.txt")).unwrap();
    std::fs::write(other.join("new.txt"), lines.replace("three", "theirs")).unwrap();
    std::fs::write(other.join("run.sh"), "echo\ntheirs\n").unwrap();
    std::fs::set_permissions(other.join("run.sh"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::remove_file(other.join("link")).unwrap();
    symlink("new.txt", other.join("link")).unwrap();
    for args in [&["add", "-A"][..], &["commit", "-q", "-m", "By hand"], &["push", "-q", "origin", "HEAD:otto/two"]] {
        s.try_git("other", args).exits(0);
    }
    s.write("a-landed", "");
    Run::read(running.wait())
}

/// What both sides wrote is in the history of a ref, all of it.
#[track_caller]
fn nothing_is_lost(s: &Sandbox, run: &Run) {
    let candidate = format!("refs/otto/slices/{}/b/1", run.run());
    let shown = |at: &str| s.git(&["ls-tree", "-r", at]);
    let objects = s.git(&["rev-list", "--objects", "--all"]);
    let by_hand = s.git(&["log", "--all", "--grep", "By hand", "--format=%H"]);
    for line in [shown(&candidate), shown(by_hand.trim())].join("\n").lines() {
        let blob = line.split_whitespace().nth(2).unwrap();
        assert!(objects.contains(blob), "{line}");
    }
    assert_eq!(s.try_git("repo", &["cat-file", "blob", &format!("{candidate}:pic.bin")]).stdout.as_bytes(), OURS);
    assert_sound(s);
}

#[test]
fn what_marks_cannot_show_is_told_side_by_side_and_resolved_by_the_agent() {
    let s = sandbox();
    let resolves = r#"2) printf '\0mine\0\0theirs\0' > pic.bin; rm -f old.txt link link~*
      printf 'one\ntwo\nmine\ntheirs\nfour\nfive\n' > new.txt; ln -s new.txt link
      printf 'echo\nmine\ntheirs\n' > run.sh; chmod +x run.sh;;"#;
    let run = crossed(&s, resolves).ends(0);
    assert_eq!(run.failures("b"), [Some("conflict".into()), None]);
    let task: Value = serde_json::from_slice(&std::fs::read(s.path("task-2")).unwrap()).unwrap();
    assert_valid(include_str!("../../../schemas/task.json"), &task);
    let conflicts = task["conflicts"].as_array().unwrap();
    let told = |path: &str| conflicts.iter().find(|c| c["path"] == path).unwrap_or_else(|| panic!("{path}: {task:#}"));
    let pic = told("pic.bin");
    assert_eq!(
        (&pic["marked"], &pic["target"]["size"], &pic["candidate"]["size"]),
        (&json!(false), &json!(8), &json!(6))
    );
    assert_eq!(told("run.sh")["candidate"]["mode"], "100755");
    assert!(conflicts.iter().any(|c| c["kinds"].to_string().contains("symlink")), "{task:#}");
    let tree = s.git(&["ls-tree", "-r", "otto/two"]);
    for (mode, path) in [("100755", "run.sh"), ("120000", "link"), ("100644", "new.txt"), ("100644", "pic.bin")] {
        assert!(tree.lines().any(|l| l.starts_with(mode) && l.ends_with(&format!("\t{path}"))), "{path} in {tree}");
    }
    assert_eq!(s.git(&["show", "otto/two:new.txt"]), "one\ntwo\nmine\ntheirs\nfour\nfive");
    nothing_is_lost(&s, &run);
}

#[test]
fn who_cannot_resolve_them_is_blocked_and_the_target_keeps_what_was_there() {
    let s = sandbox();
    let run = crossed(&s, "*) exit 1;;").ends(4);
    run.blocked("b", "same_diff", 3);
    let by_hand = s.git(&["log", "-1", "--grep", "By hand", "--format=%H", "otto/two"]);
    assert_eq!(s.git(&["rev-parse", "otto/two"]), by_hand.trim());
    assert_eq!(s.try_git("repo", &["cat-file", "blob", "otto/two:pic.bin"]).stdout.as_bytes(), THEIRS);
    nothing_is_lost(&s, &run);
}
