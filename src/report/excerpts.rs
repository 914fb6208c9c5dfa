//! What a packet shows of evidence: the end of what red checks printed, and pictures. All of it is bounded, and a packet
//! without it is still whole: where evidence is not here, nothing is shown of it.

use std::collections::BTreeMap;

use super::model::{Packet, Picture};
use crate::{
    base::{Oid, text},
    gate::{self, Kept, RESULT},
    git::Repo,
    store::evidence,
};

/// Results of which excerpts are shown.
const MAX_RESULTS: usize = 60;
/// Bytes and lines of one excerpt.
const MAX_BYTES: usize = 4096;
const MAX_LINES: usize = 40;
/// Bytes of one picture, and of all.
const MAX_PICTURE: u64 = 1 << 20;
const MAX_PICTURES: u64 = 8 << 20;

/// Adds what is shown of evidence to the results of a packet.
pub fn attach(repo: &Repo, packet: &mut Packet) {
    let all = gate::kept(repo, &packet.run).unwrap_or_default();
    let by_blob: BTreeMap<Oid, Kept> = all.into_iter().filter_map(|k| Some((*k.files.get(RESULT)?, k))).collect();
    let (mut excerpts, mut pictures) = (0, MAX_PICTURES);
    for result in packet.checks.iter_mut().flat_map(|c| &mut c.results) {
        let Some(kept) = by_blob.get(&result.blob) else { continue };
        result.path = Some(kept.place.to_string());
        // Red on the base is what a new check has to be.
        if !result.cause.passed() && result.round != "base" && excerpts < MAX_RESULTS {
            excerpts += 1;
            let stream = |name: &str| {
                let bytes = repo.read_blob(*kept.files.get(name)?, evidence::MAX_FILE as u64).ok()?;
                Some(end(&bytes)).filter(|text| !text.is_empty())
            };
            (result.stdout, result.stderr) = (stream("stdout"), stream("stderr"));
        }
        for (name, blob) in kept.files.iter().filter(|(name, _)| name.starts_with("artifacts/")) {
            let Ok(bytes) = repo.read_blob(*blob, MAX_PICTURE.min(pictures)) else { continue };
            if let Some(media) = media(&bytes) {
                pictures -= bytes.len() as u64;
                result.pictures.push(Picture { name: text::one_line(name, 200), blob: *blob, media, bytes });
            }
        }
    }
}

/// The end of a stream as text that says where it was cut.
pub fn end(bytes: &[u8]) -> String {
    let tail = &bytes[bytes.len().saturating_sub(MAX_BYTES)..];
    let clean = text::printable(&String::from_utf8_lossy(tail));
    let lines: Vec<&str> = clean.trim_end().lines().collect();
    let kept = lines.len().min(MAX_LINES);
    let shown = lines[lines.len() - kept..].join("\n");
    if tail.len() < bytes.len() || kept < lines.len() { format!("…\n{shown}") } else { shown }
}

/// What kind of picture these bytes are, by how they begin. Only kinds that hold pixels and nothing that runs.
fn media(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_the_end_without_what_drives_terminals() {
        assert_eq!(end(b"one\ntwo\n\n"), "one\ntwo");
        assert_eq!(end(b"\x1b[31mred\x1b[0m \xff\n"), "red \u{fffd}");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        let shown = end(many.as_bytes());
        assert!(shown.starts_with("…\n60\n61\n") && shown.ends_with("\n99"), "{shown}");
        let long = end(&vec![b'x'; 1 << 20]);
        assert_eq!(long.len(), "…\n".len() + MAX_BYTES);
        assert_eq!(end(b""), "");
    }

    #[test]
    fn pictures_are_known_by_their_bytes_and_nothing_that_runs_is_one() {
        assert_eq!(media(b"\x89PNG\r\n\x1a\nrest"), Some("image/png"));
        assert_eq!(media(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(media(b"RIFF0000WEBPVP8 "), Some("image/webp"));
        for other in [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"", b"\x89PN", b"<html>"] {
            assert_eq!(media(other), None);
        }
    }
}
