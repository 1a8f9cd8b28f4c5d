//! `postern demo`.

use std::io::IsTerminal;
use std::sync::Arc;

use super::CliError;
use crate::app;
use crate::demo::{Demo, show::Show};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port of the Tenant URL on loopback; 0 takes any that is free
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Print one line of JSON with every address instead of the tour, and no requests: for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let stop = app::Stop::listen().map_err(cannot_start)?;
    let stdout = std::io::stdout();
    let show = (!arguments.json)
        .then(|| Arc::new(Show::new(Box::new(std::io::stdout()), stdout.is_terminal())));
    let demo = Demo::start(arguments.port, show).map_err(cannot_start)?;
    let text = if arguments.json {
        demo.as_json() + "\n"
    } else {
        demo.tour()
    };
    super::print(&text)?;
    demo.run_until(stop);
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn cannot_start(error: anyhow::Error) -> CliError {
    CliError::failed(format!("error: the demo cannot start: {error:#}"))
}
