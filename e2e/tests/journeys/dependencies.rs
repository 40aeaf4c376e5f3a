//! Who may depend on whom. The rules of ARCHITECTURE.md, read from the
//! manifests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const SERVICES: [&str; 5] = [
    "svc-identity",
    "svc-catalog",
    "svc-order",
    "svc-payment",
    "svc-notify",
];
const MEMBERS: [&str; 10] = [
    "proto",
    "svc-kit",
    "edge",
    "svc-identity",
    "svc-catalog",
    "svc-order",
    "svc-payment",
    "svc-notify",
    "souk",
    "e2e",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn folder(member: &str) -> &str {
    if member == "souk" { "cli" } else { member }
}

fn dependencies(member: &str, sections: &[&str]) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(folder(member)).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    sections
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

fn members_that(member: &str) -> BTreeSet<String> {
    let all = dependencies(
        member,
        &["dependencies", "dev-dependencies", "build-dependencies"],
    );
    all.into_iter()
        .filter(|name| MEMBERS.contains(&name.as_str()))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn services_and_edge_depend_on_the_contracts_and_the_kit_alone() {
    for member in SERVICES.iter().chain(&["edge"]) {
        assert!(
            members_that(member).is_subset(&set(&["proto", "svc-kit"])),
            "{member}"
        );
    }
    assert!(members_that("svc-kit").is_subset(&set(&["proto"])));
    assert!(members_that("proto").is_empty());
    assert!(members_that("souk").is_subset(&set(&["proto", "svc-kit"])));
    assert!(members_that("e2e").is_subset(&set(&["proto", "souk"])));
}

#[test]
fn only_the_kit_talks_to_nats() {
    for member in MEMBERS.iter().filter(|member| **member != "svc-kit") {
        assert!(
            !dependencies(member, &["dependencies", "dev-dependencies"]).contains("async-nats"),
            "{member}"
        );
    }
}

#[test]
fn sql_stays_in_the_stores() {
    for member in SERVICES {
        for file in sources(&root().join(member).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let path = file
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let in_store = path.contains("/src/store");
            assert!(
                in_store || !text.contains("sqlx::query"),
                "{path} holds SQL"
            );
        }
    }
}

#[test]
fn tonic_stays_at_the_border() {
    for member in SERVICES {
        for file in sources(&root().join(member).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let path = file
                .strip_prefix(root().join(member).join("src"))
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let border =
                path.starts_with("grpc") || path.starts_with("clients") || path == "error.rs";
            assert!(
                border || !text.contains("tonic::"),
                "{member}/src/{path} knows tonic"
            );
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
