//! Signatures through git's own programs, with a key that the test makes. Where there is no `ssh-keygen` nothing is signed,
//! unless `GIT_OTTO_REQUIRE_SSH` is set.

use std::process::Command;

use super::*;
use crate::{
    spec,
    store::{record::By, testing::Fixture},
    verify::testing::{jot, put, put_by, small},
};

/// Whether records can be signed here.
pub fn is_possible() -> bool {
    let there = Command::new("ssh-keygen").arg("-?").output().is_ok();
    assert!(there || std::env::var_os("GIT_OTTO_REQUIRE_SSH").is_none(), "there is no ssh-keygen");
    if !there {
        eprintln!("ssh-keygen is not installed, and signatures are not tested");
    }
    there
}

/// Makes an ssh key.
fn key(f: &Fixture, name: &str) -> String {
    let path = f.dir.path().join(".git").join(name);
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
    let made = Command::new("ssh-keygen").args(args).arg(&path).status();
    assert!(made.unwrap().success());
    path.to_str().unwrap().to_owned()
}

/// Has every record of the user signed by a new key that the repository trusts, and demands it.
pub fn sign_all(f: &Fixture) {
    let path = key(f, "trusted");
    let public = std::fs::read_to_string(format!("{path}.pub")).unwrap();
    let allowed = f.dir.path().join(".git/allowed");
    std::fs::write(&allowed, format!("ann@example.org {public}")).unwrap();
    for (key, value) in [
        ("gpg.format", "ssh"),
        ("user.signingKey", &path),
        ("gpg.ssh.allowedSignersFile", ".git/allowed"),
        ("otto.sign", "true"),
        ("otto.requireSigned", "true"),
    ] {
        f.git(&["config", key, value]);
    }
}

#[test]
fn a_record_of_a_user_has_a_signature_that_git_accepts() {
    if !is_possible() {
        return;
    }
    let mut f = Fixture::new();
    sign_all(&f);
    f.store = f.again();
    let first = put(&f, Kind::Compile, &small("a"));
    put(&f, Kind::Approve, &small("a"));
    let signed = put(&f, Kind::Amend, &small("b"));
    let found = |f: &Fixture| -> Vec<(Code, Option<Oid>)> {
        let found = spec_here(&f.again().repo, &jot()).unwrap().1;
        found.into_iter().map(|v| (v.code, v.commit)).collect()
    };
    let unsigned = |commit: Oid| (Code::Record(record::Code::Unsigned), Some(commit));
    assert_eq!(found(&f), []);
    // What agents and this program do has no person's signature.
    let by = By::Agent { provider: "claude".into(), model: "opus".into() };
    let mut more = small("b");
    more.slices[0].tasks.push("More.".into());
    put_by(&f, Kind::Amend, &spec::write(&more), by, Some(3), Some("0a-1"));
    assert_eq!(found(&f), []);

    // By a key that nobody knows.
    f.git(&["config", "user.signingKey", &key(&f, "unknown")]);
    f.store = f.again();
    let stranger = put(&f, Kind::Amend, &small("c"));
    assert_eq!(found(&f), [unsigned(stranger)]);
    f.git(&["update-ref", "refs/otto/specs/jot", &signed.to_string()]);
    f.git(&["reflog", "expire", "--expire=all", "refs/otto/specs/jot"]);
    assert_eq!(found(&f), []);

    // Not at all.
    f.git(&["config", "otto.sign", "false"]);
    f.store = f.again();
    let none = put(&f, Kind::Amend, &small("c"));
    assert_eq!(found(&f), [unsigned(none)]);
    f.git(&["update-ref", "refs/otto/specs/jot", &signed.to_string()]);
    f.git(&["reflog", "expire", "--expire=all", "refs/otto/specs/jot"]);

    // Changed after it was signed: the message, which no digest covers.
    let text = String::from_utf8(f.store.repo.raw_object(signed, 1 << 20).unwrap().1).unwrap();
    let chain = Chain::of(f);
    let other = chain.forged(&text.replace("Amend the spec", "Amend the speck"));
    chain.set_tip(other);
    chain.f.git(&["reflog", "expire", "--expire=all", "refs/otto/specs/jot"]);
    assert_eq!(found(&chain.f), [unsigned(other)]);
    // The allowed signers decide, not the key that happens to be there.
    chain.set_tip(signed);
    chain.f.git(&["reflog", "expire", "--expire=all", "refs/otto/specs/jot"]);
    std::fs::write(chain.f.dir.path().join(".git/allowed"), "").unwrap();
    assert_eq!(found(&chain.f).first(), Some(&unsigned(first)));
    chain.f.git(&["config", "otto.requireSigned", "false"]);
    assert_eq!(found(&chain.f), []);
}
