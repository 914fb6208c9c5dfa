//! The hook `reference-transaction` as a program: it is called at every step of every move of a ref, and a shell takes
//! longer to start than all there is to do. Its source is in `hooks/`.

use std::path::Path;

use super::{Name, shim};

/// What `build.rs` makes of the source; empty where no static program can be linked.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reference-transaction"));

/// What stands at its end, to be read by whoever looks into the file or installs it. Text begins after the last NUL.
const TOLD: &str = "\0\
    # git-otto: reference-transaction. Written by `git otto hooks install`; `git otto hooks uninstall` takes it away again.\n\
    # A static program. Where a ref below refs/otto or refs/notes/otto is to move, it runs `git-otto hook reference-transaction`\n\
    # and answers what that answers; otherwise it does nothing. Its source: hooks/reference-transaction.rs of git-otto ";

/// The program for a hook in a folder, if there is one, and if only this machine looks into that folder.
pub fn of(name: Name, folder: &Path) -> Option<Vec<u8>> {
    let is_here = name == Name::ReferenceTransaction && !PROGRAM.is_empty() && is_of_this_machine(folder);
    is_here.then(|| [PROGRAM, TOLD.as_bytes(), env!("CARGO_PKG_VERSION").as_bytes(), b"\n"].concat())
}

/// Whether a file is the program, of whatever version.
pub fn is_ours(bytes: &[u8]) -> bool {
    let (binary, text) = shim::binary_and_text(bytes);
    binary.starts_with(b"\x7fELF") && text.starts_with(shim::MARK.as_bytes())
}

/// Whether a folder is on a disk of this machine, as far as can be told. Another kind of machine that runs git there would
/// find a program that it cannot run, and move no ref any more. So no network, no folder of another machine's that a virtual
/// one sees, and not Linux inside of Windows, whose git looks in.
#[cfg(target_os = "linux")]
fn is_of_this_machine(folder: &Path) -> bool {
    const BTRFS: u64 = 0x9123_683e;
    const EXT: u64 = 0xef53;
    const F2FS: u64 = 0xf2f5_2010;
    const OVERLAY: u64 = 0x794c_7630;
    const TMPFS: u64 = 0x0102_1994;
    const XFS: u64 = 0x5846_5342;
    const ZFS: u64 = 0x2fc1_2fc1;
    let in_windows = rustix::system::uname().release().to_string_lossy().to_lowercase().contains("microsoft");
    // Its type differs from machine to machine, and is of 32 bits in all of them.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "see above")]
    let kind = rustix::fs::statfs(folder).map(|found| found.f_type as u64 & 0xffff_ffff);
    !in_windows && kind.is_ok_and(|kind| [BTRFS, EXT, F2FS, OVERLAY, TMPFS, XFS, ZFS].contains(&kind))
}

#[cfg(not(target_os = "linux"))]
fn is_of_this_machine(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_again_and_says_what_it_is() {
        let Some(program) = of(Name::ReferenceTransaction, &std::env::temp_dir()) else { return };
        assert!(is_ours(&program) && shim::is_ours(&program));
        let (binary, text) = shim::binary_and_text(&program);
        assert_eq!(binary.len(), PROGRAM.len() + 1);
        let lines: Vec<&str> = std::str::from_utf8(text).unwrap().lines().collect();
        assert!(lines.len() == 3 && lines.iter().all(|line| line.starts_with("# ") && line.len() < 130), "{lines:?}");
        for theirs in [PROGRAM, TOLD.as_bytes(), b"", b"\x7fELF\0", b"\x7fELF\0# theirs\n"] {
            assert!(!is_ours(theirs));
        }
    }

    #[test]
    fn only_one_hook_and_only_where_other_machines_do_not_look() {
        assert!(Name::ALL.iter().filter(|name| of(**name, Path::new("/")).is_some()).count() <= 1);
        assert_eq!(of(Name::ReferenceTransaction, Path::new("/proc")), None);
        assert_eq!(of(Name::ReferenceTransaction, Path::new("/no such folder")), None);
    }
}
