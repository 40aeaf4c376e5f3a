//! Where things are: the checkout, its tools and the built binaries. Paths
//! only; nothing is started here.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A file that every checkout has and nothing else does.
const MARK: &str = "bin/versions";

/// Where `bin/faulty` puts what it builds, below the other binaries.
const FAULTY: &str = "faulty";

/// The root of the checkout: `SOUK_HOME` (set by `bin/souk`), else the nearest
/// folder above the current one that looks like it, else where this was built.
pub fn root() -> PathBuf {
    if let Some(home) = std::env::var_os("SOUK_HOME") {
        return PathBuf::from(home);
    }
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors()
        .find(|folder| folder.join(MARK).is_file())
        .map_or_else(
            || {
                let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
                built_from.parent().unwrap_or(built_from).to_owned()
            },
            Path::to_owned,
        )
}

/// A folder below `.souk` in the checkout, unless another one is given.
pub fn place(given: Option<&Path>, name: &str) -> PathBuf {
    given.map_or_else(|| root().join(".souk").join(name), Path::to_owned)
}

/// The folder of the services' binaries: `SOUK_BIN_DIR`, else the one of the
/// running executable (a test's is one deeper, in `deps`).
///
/// # Errors
/// When the running executable has no known place.
pub fn binaries() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("SOUK_BIN_DIR") {
        return Ok(PathBuf::from(dir));
    }
    let exe = std::env::current_exe().context("where this program is")?;
    let dir = exe.parent().context("this program has no folder")?;
    Ok(if dir.ends_with("deps") {
        dir.parent().unwrap_or(dir).to_owned()
    } else {
        dir.to_owned()
    })
}

/// The folder of the binaries with faults that can be switched on.
///
/// # Errors
/// When the running executable has no known place.
pub fn faulty_binaries() -> anyhow::Result<PathBuf> {
    Ok(binaries()?.join(FAULTY))
}

/// The built binary of that name, in a folder or where binaries are.
///
/// # Errors
/// One line that says how to build it.
pub fn binary(folder: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    let folder = folder.map_or_else(binaries, |folder| Ok(folder.to_owned()))?;
    let path = folder.join(name);
    if !path.is_file() {
        let how = if folder.ends_with(FAULTY) {
            "bin/faulty"
        } else {
            "cargo build --workspace --bins"
        };
        bail!(
            "{name} is not built ({} is missing); `{how}` builds it",
            path.display()
        );
    }
    Ok(path)
}

/// A pinned tool below `.souk/tools`, else one of that name on the PATH.
///
/// # Errors
/// One line that says what installs it.
pub fn tool(name: &str) -> anyhow::Result<PathBuf> {
    let pinned = root().join(".souk/tools/venv/bin").join(name);
    if pinned.is_file() {
        return Ok(pinned);
    }
    on_path(name).with_context(|| format!("{name} is missing; bin/setup installs it"))
}

/// The program of that name on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// A program of PostgreSQL: on the PATH, else the newest below
/// `/usr/lib/postgresql`, where Debian and Ubuntu keep those of the server.
///
/// # Errors
/// One line that says what installs it.
pub fn postgres_program(name: &str) -> anyhow::Result<PathBuf> {
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let program = entry.path().join("bin").join(name);
            program.is_file().then_some((version, program))
        })
        .max();
    newest
        .map(|(_, program)| program)
        .or_else(|| on_path(name))
        .with_context(|| format!("PostgreSQL's {name} is missing; bin/setup installs it"))
}
