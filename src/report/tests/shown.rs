//! What a packet shows of evidence that stands in a repository.

use super::*;
use crate::store::{evidence, testing::Fixture};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0123";

#[test]
fn red_results_show_what_they_printed_and_pictures_are_shown() {
    let f = Fixture::new();
    let plan = plan(spec());
    let mut packet = packet_of(&plan, &partial(&plan));
    let put = |dir: &str, files: &[(&str, &[u8])]| {
        let entries: Vec<_> = files.iter().map(|(name, bytes)| (format!("{dir}/{name}"), bytes.to_vec())).collect();
        evidence::put(&f.store, &packet.run, "0a", &entries).unwrap()[0]
    };
    let printed: [(&str, &[u8]); 2] = [("stdout", b"one\n\x1b[31mtwo"), ("stderr", b"")];
    let all = |result: &'static [u8]| [&[("result.json", result)], &printed[..]].concat();
    let base = put("add/0a.0/base/add-1", &all(b"1"));
    let audit = put("_cross/0a.0/audit-1/all-1", &all(b"2"));
    let pictures: [(&str, &[u8]); 4] = [
        ("result.json", b"3"),
        ("artifacts/first.png", PNG),
        ("artifacts/second.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"),
        ("artifacts/third.png", &[0x89; 2 << 20]),
    ];
    let green = put("front/0a.1/candidate/front-1", &pictures);
    for (check, round, blob) in [("add-1", "base", base), ("all-1", "audit-1", audit), ("front-1", "candidate", green)]
    {
        let checked = packet.checks.iter_mut().find(|c| c.id == check).unwrap();
        checked.results.iter_mut().find(|r| r.round == round).unwrap().blob = blob;
    }
    excerpts::attach(&f.store.repo, &mut packet);
    is_valid(&packet);
    let result = |blob: Oid| packet.checks.iter().flat_map(|c| &c.results).find(|r| r.blob == blob).unwrap();
    assert_eq!(result(base).path.as_deref(), Some("add/0a.0/base/add-1"));
    assert_eq!(result(base).stdout, None, "red on the base is what a new check has to be");
    assert_eq!(result(audit).stdout.as_deref(), Some("one\ntwo"));
    assert_eq!(result(audit).stderr, None);
    let names: Vec<&str> = result(green).pictures.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["artifacts/first.png"]);
    let page = html(&packet).unwrap();
    assert!(
        page.contains(
            "<img src=\"data:image&#x2f;png;base64,iVBORw0KGgowMTIz\" alt=\"Picture artifacts&#x2f;first.png"
        )
    );
    assert!(page.contains("<pre dir=\"auto\" tabindex=\"0\">one\ntwo</pre>"), "{page}");
    assert!(
        !String::from_utf8(json(&packet).unwrap()).unwrap().contains("iVBORw0KGgo"),
        "the packet names it by its blob"
    );
    let mut elsewhere = packet_of(&plan, &partial(&plan));
    excerpts::attach(&Fixture::new().store.repo, &mut elsewhere);
    assert_eq!(elsewhere, packet_of(&plan, &partial(&plan)), "without evidence the packet is whole");
}
