//! Four clones that amend and push at the same time.

use std::collections::BTreeSet;

use super::*;

#[test]
fn sixty_amendments_of_four_clones_are_all_there() {
    const CLONES: usize = 4;
    const EACH: usize = 15;
    let s = shared();
    let dirs: Vec<String> = (0..CLONES).map(|n| format!("c{n}")).collect();
    dirs.iter().for_each(|dir| clone(&s, dir));
    // Each goes its own pace: what it amends next waits for nobody.
    let running: Vec<_> = (dirs.iter().enumerate())
        .map(|(n, dir)| {
            let script = format!(
                "set -e\nfor i in $(seq 1 {EACH}); do\n  \"$OTTO\" amend jot -q -m \"Reason {n}-$i.\" --set \
                 \"/slices/{n}/tasks=$(seq 1 $i | sed 's/.*/\"task {n}-&\"/' | paste -sd, | sed 's/.*/[&]/')\"\n  \
                 \"$OTTO\" sync -q\ndone\n"
            );
            let mut command = s.command("sh", dir);
            command.args(["-c", &script]).env("OTTO", env!("CARGO_BIN_EXE_git-otto"));
            s.spawn(&mut command, None)
        })
        .collect();
    for one in running {
        one.wait().exits(0);
    }
    for dir in &dirs {
        s.otto_in(dir, &["sync"]).exits(0);
    }
    let wanted: BTreeSet<String> =
        (0..CLONES).flat_map(|n| (1..=EACH).map(move |i| format!("Reason {n}-{i}."))).collect();
    assert_eq!(wanted.len(), 60);
    for dir in &dirs {
        assert_eq!(tip(&s, dir), tip(&s, "hub.git"));
        s.otto_in(dir, &["verify", "jot"]).exits(0);
        let log = s.otto_in(dir, &["log", "jot", "--json"]).exits(0).json();
        let reasons: Vec<String> =
            log["records"].as_array().unwrap().iter().map(|r| r["reason"].as_str().unwrap().to_owned()).collect();
        let found: BTreeSet<String> = reasons.iter().filter(|r| wanted.contains(*r)).cloned().collect();
        assert_eq!(found, wanted);
        assert_eq!(reasons.iter().filter(|r| wanted.contains(*r)).count(), 60, "each once");
        for n in 0..CLONES {
            assert_eq!(spec(&s, dir)["slices"][n]["tasks"].as_array().unwrap().len(), EACH);
        }
    }
    s.git_in("hub.git", &["fsck", "--full", "--strict"]);
}
