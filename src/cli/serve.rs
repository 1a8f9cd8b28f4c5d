//! `postern serve`.

use serde_json::json;

use super::{CliError, ConfigFile};
use crate::{app, config::file::Config};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Print one line of JSON with the bound addresses when serving begins: for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let config = Config::load(&arguments.file.config).map_err(|found| super::unusable(&found))?;
    let running = app::start(config, app::Extras::default()).map_err(super::start_failed)?;
    if arguments.json {
        println!(
            "{}",
            json!({
                "public": running.public.to_string(),
                "probe": running.probe.to_string(),
                "control": running.control,
            })
        );
    }
    running
        .run_until_stopped()
        .map_err(|error| CliError::failed(format!("error: {error:#}")))
}
