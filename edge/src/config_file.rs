//! A file of settings, for what has to change while the edge runs: the flags
//! and the environment of a process cannot. Its keys are the flags' names, in
//! TOML:
//!
//! ```toml
//! access-log-slow-ms = 500
//! allowed-origins = ["https://shop.example"]
//! ```
//!
//! A flag wins over the environment, and that over the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt::{self, Debug, Formatter},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, parser::ValueSource};

use crate::config::Config;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What cannot stand in the file.
const NOT_IN_THE_FILE: [&str; 3] = ["config", "help", "version"];

/// Values by the names of their flags.
pub type Values = BTreeMap<String, Vec<OsString>>;

/// What a configuration was made of, so that it can be made again.
#[derive(Clone, Default)]
pub struct Source {
    arguments: Vec<OsString>,
    /// What holds in the end, wherever it stood.
    pub values: Values,
    /// What stands in the file in vain.
    pub overridden: BTreeSet<String>,
}

/// Values may be secrets.
impl Debug for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    /// Tells what stands in the file in vain.
    pub fn tell_overridden(&self) {
        if !self.overridden.is_empty() {
            let settings = &self.overridden;
            tracing::warn!(?settings, "a flag or the environment wins over the file");
        }
    }

    /// Makes the configuration again, from the file as it is now.
    ///
    /// # Errors
    /// In one line, when it is wrong.
    pub fn load_again(&self) -> anyhow::Result<Config> {
        load(self.arguments.clone()).map_err(|error| match error.downcast::<clap::Error>() {
            Ok(error) => anyhow::anyhow!("{}", one_line(&error)),
            Err(error) => error,
        })
    }
}

/// Makes a configuration of a command line, the environment and the file that
/// one of them names.
///
/// # Errors
/// A [`clap::Error`] when the whole makes no sense (or help was asked for),
/// another one when the file makes none.
pub fn load(arguments: Vec<OsString>) -> anyhow::Result<Config> {
    let command = Config::command();
    let given = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(&arguments)?;
    let mut all = arguments.clone();
    let mut overridden = BTreeSet::new();
    if let Some(path) = given.get_one::<PathBuf>("config") {
        let at = || format!("the configuration file {}", path.display());
        for (key, values) in read(path).with_context(at)? {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_long() == Some(&key))
                .filter(|_| !NOT_IN_THE_FILE.contains(&key.as_str()))
                .with_context(|| format!("there is no setting \"{key}\""))
                .with_context(at)?;
            let elsewhere = [ValueSource::CommandLine, ValueSource::EnvVariable].map(Some);
            if elsewhere.contains(&given.value_source(argument.get_id().as_str())) {
                overridden.insert(key);
                continue;
            }
            all.extend(values.iter().map(|value| format!("--{key}={value}").into()));
        }
    }
    let matches = command.clone().try_get_matches_from(all)?;
    let mut config = Config::from_arg_matches(&matches)?;
    config.source = Source {
        arguments,
        values: values(&command, &matches),
        overridden,
    };
    Ok(config)
}

fn read(path: &Path) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let bytes = std::fs::metadata(path)?.len();
    anyhow::ensure!(bytes <= MAX_FILE_BYTES, "it has {bytes} bytes");
    let text = std::fs::read_to_string(path)?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        anyhow::anyhow!("line {line}: {}", error.message())
    })?;
    table
        .into_iter()
        .map(|(key, value)| {
            let values = match value {
                toml::Value::Array(values) => values.iter().map(plain).collect(),
                value => plain(&value).map(|value| vec![value]),
            };
            let values = values
                .with_context(|| format!("\"{key}\" is neither a value nor a list of values"))?;
            Ok((key, values))
        })
        .collect()
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

fn values(command: &clap::Command, matches: &ArgMatches) -> Values {
    command
        .get_arguments()
        .filter_map(|argument| {
            let key = argument.get_long()?;
            let id = argument.get_id().as_str();
            let raw = matches.try_get_raw(id).ok()??;
            Some((key.to_owned(), raw.map(ToOwned::to_owned).collect()))
        })
        .collect()
}

/// What clap says, without its advice on the command line.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("Usage"));
    let words: Vec<_> = lines
        .filter(|line| !line.starts_with("For more information"))
        .flat_map(str::split_whitespace)
        .collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 8] = [
        "edge",
        "--http-listen=127.0.0.1:1",
        "--admin-listen=127.0.0.1:2",
        "--identity-url=http://a:1",
        "--order-url=http://a:1",
        "--payment-url=http://a:1",
        "--notify-url=http://a:1",
        "--jwks-url=http://a:1/jwks",
    ];

    fn with(file: &str, flags: &[&str]) -> anyhow::Result<Config> {
        let folder = tempfile::TempDir::new()?;
        let path = folder.path().join("edge.toml");
        std::fs::write(&path, file)?;
        let mut arguments: Vec<OsString> = NEEDED.map(Into::into).to_vec();
        arguments.push("--nats-url=nats://a:1".into());
        arguments.push(format!("--config={}", path.display()).into());
        arguments.extend(flags.iter().map(Into::into));
        let config = load(arguments)?;
        config.source.load_again()?;
        Ok(config)
    }

    #[test]
    fn the_file_gives_what_flags_do_not() {
        let file = r#"
            catalog-url = "http://a:1"
            rate-read-per-minute = 7
            rate-write-per-minute = 8
            allowed-origins = ["https://a.example", "https://b.example"]
        "#;
        let config = with(file, &["--rate-write-per-minute=9"]).unwrap();
        assert_eq!(config.limits.rate_read_per_minute, 7);
        assert_eq!(config.limits.rate_write_per_minute, 9, "a flag wins");
        assert_eq!(
            config.allowed_origins,
            ["https://a.example", "https://b.example"]
        );
        let overridden: Vec<_> = config.source.overridden.iter().collect();
        assert_eq!(overridden, ["rate-write-per-minute"]);
    }

    #[test]
    fn a_file_that_is_wrong_is_refused_in_one_clear_line() {
        let told = |file: &str| {
            let error = with(file, &["--catalog-url=http://a:1"]).unwrap_err();
            error
                .downcast::<clap::Error>()
                .map_or_else(|error| format!("{error:#}"), |error| one_line(&error))
        };
        for (file, line) in [
            (
                "rate-reed-per-minute = 1",
                "no setting \"rate-reed-per-minute\"",
            ),
            ("config = 'other.toml'", "no setting \"config\""),
            ("\nrate-read-per-minute = ", "line 2"),
            ("rate-read-per-minute = { a = 1 }", "neither a value nor"),
            (
                "rate-read-per-minute = 'many'",
                "invalid value 'many' for '--rate-read-per-minute",
            ),
            ("rate-read-per-minute = [1, 2]", "--rate-read-per-minute"),
        ] {
            let told = told(file);
            assert!(told.contains(line) && !told.contains('\n'), "{told}");
        }
    }
}
