//! What is exported compiles to what it was exported from.

use git_otto::base::Sha256;

use crate::support::{EXAMPLE, Sandbox};

const JOT: &str = include_str!("../../../examples/jot.md");
const ALL_KINDS: &str = include_str!("../../all-kinds.md");
/// One slice whose check brings its own judge.
const JUDGED: &str = "# judged\n\nA greeting.\n\nKind: `cli`, started as `./hi`.\n\nCommand `hi`: greets.\n\n## Slice `hi`: Greeting\n\n\
    **R1** It greets.\n\nTest: `sh judge.sh`.\n\nWith file `judge.sh`:\n\n```sh\n./hi | grep -q hello\n```\n\nOwns: `hi`.\n";

fn digest(s: &Sandbox, args: &[&str]) -> String {
    let json = s.otto(&[args, &["--json"]].concat()).exits(0).json();
    json["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn compiling_an_export_gives_the_same_digest() {
    let all = &ALL_KINDS.replace("third attempt", "second attempt");
    for (source, has_code) in [(EXAMPLE, true), (JOT, true), (all, true), (JUDGED, false)] {
        let (here, there) = (Sandbox::new(), Sandbox::new());
        here.write("intent.md", source);
        let was = digest(&here, &["compile", "--id", "one", "../intent.md"]);

        let out = here.otto(&["export", "one", "--with-code"]).exits(0);
        assert!(out.stderr.contains("git otto compile --id one <file>"), "{}", out.stderr);
        there.write("one.md", &out.stdout);
        assert_eq!(digest(&there, &["compile", "--id", "one", "../one.md"]), was);

        let name = there.path("as-json.json").display().to_string();
        here.otto(&["export", "one@{0}", "--format", "json", "--with-code", "-o", &name]).exits(0);
        let again = Sandbox::new();
        let json = here.otto(&["export", "one", "--format", "json", "--json"]).exits(0).json();
        assert_eq!((&json["digest"], &json["whole"]), (&was.as_str().into(), &(!has_code && source != JUDGED).into()));
        assert_eq!(digest(&again, &["compile", "--spec", &name]), was);

        // Without its code it is an intent all the same, and says what it is not.
        let bare = here.otto(&["export", "one"]).exits(0);
        assert_eq!(bare.stderr.contains("--with-code has them"), has_code, "{}", bare.stderr);
        there.write("two.md", &bare.stdout);
        let same = digest(&there, &["compile", "--dry-run", "--id", "one", "../two.md"]) == was;
        assert_eq!(same, !has_code);
    }
}

#[test]
fn what_cannot_be_carried_is_refused_with_what_can() {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    s.otto(&["compile", "../jot.md"]).exits(0);
    let name = s.path("jot.json").display().to_string();
    s.otto(&["export", "--format", "json", "--with-code", "-o", &name]).exits(0);
    // A block in Markdown ends with a line end; this content does not.
    let digest = Sha256::of(b"no line end").to_string();
    s.write(&format!("files/{digest}"), "no line end");
    let mut spec = s.otto(&["export", "--format", "json"]).exits(0).json();
    spec["files"][0]["sha256"] = digest.into();
    s.write("jot.json", serde_json::to_string(&spec).unwrap());
    s.otto(&["edit", "jot", "--file", &name]).exits(0);
    let out = s.otto(&["export", "--with-code"]).exits(8);
    assert!(out.stderr.contains("git otto export jot --format json --with-code -o jot.json"), "{}", out.stderr);
    let out = s.otto(&["export", "--format", "json", "--with-code"]).exits(2);
    assert!(out.stderr.contains("-o <file>"), "{}", out.stderr);
}
