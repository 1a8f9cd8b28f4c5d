//! `postern serve`.

use serde_json::json;

use super::{CliError, ConfigFile, notify};
use crate::app;
use crate::config::file::Config;
use crate::config::load::mistakes;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Print one line of JSON with the bound addresses when serving begins: for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let path = &arguments.file.config;
    let config = Config::load(path).map_err(|found| super::unusable(&mistakes(path, found)))?;
    let stop = app::Stop::listen().map_err(|error| super::start_failed(error.into()))?;
    let running = app::start(config, app::Extras::default()).map_err(super::start_failed)?;
    if arguments.json {
        let line = json!({
            "public": running.public.to_string(),
            "probe": running.probe.to_string(),
            "control": running.control,
        });
        super::print(&format!("{line}\n"))?;
    }
    if let Some(socket) = notify::socket() {
        notify::ready(&socket);
    }
    running.run_until(stop);
    Ok(())
}
