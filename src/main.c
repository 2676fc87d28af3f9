/*
 * Options, then hands over: main() joins the kinds of process, which do not
 * know each other.
 */
#include "build.h"

#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/version.h"
#include "config/config.h"
#include "exporter/exporter.h"
#include "helper/helper.h"
#include "pool/repair.h"
#include "supervisor/boot.h"
#include "supervisor/sandbox.h"
#include "supervisor/service.h"
#include "supervisor/supervisor.h"
#include "supervisor/tls_check.h"
#include "worker/worker.h"

struct command_line {
	struct supervisor_options	options;
	bool				test, reboot;
};

static const char short_options[] = "dqRu:vVht";

static const struct option long_options[] = {
	{ "daemon",	no_argument,		NULL, 'd' },
	{ "quiet",	no_argument,		NULL, 'q' },
	{ "reboot",	no_argument,		NULL, 'R' },
	{ "user",	required_argument,	NULL, 'u' },
	{ "verbose",	no_argument,		NULL, 'v' },
	{ "version",	no_argument,		NULL, 'V' },
	{ "help",	no_argument,		NULL, 'h' },
	{ "test",	no_argument,		NULL, 't' },
	{ NULL,		0,			NULL, 0 }
};

static NORETURN void
show_version(void)
{
	printf("%s\n", version_text());
	printf("pgusher %s\n", PACKAGE_VERSION);
	printf("tls: %s\n", OpenSSL_version(OPENSSL_VERSION));
	printf("configuration: iniparser\n");
	printf("systemd: %s\n", service_support());
	printf("sandbox: %s\n", sandbox_support());
	printf("metrics: %s\n", exporter_support());
	exit(0);
}

static NORETURN void
show_help(const char *name)
{
	printf("%s is a connection pooler for PostgreSQL.\n\n"
	    "Usage:\n"
	    "  %s [OPTION]... CONFIG_FILE\n\n"
	    "Options:\n"
	    "  -d, --daemon         run in background (as a daemon)\n"
	    "  -q, --quiet          run quietly\n"
	    "  -t, --test           check the configuration, then exit\n"
	    "  -u, --user=USERNAME  assume identity of USERNAME\n"
	    "  -v, --verbose        increase verbosity\n"
	    "  -V, --version        show version, then exit\n"
	    "  -h, --help           show this help, then exit\n\n"
	    "pgusher(8) is the manual, pgusher.ini(5) tells about "
	    "CONFIG_FILE.\n", name, name);
	exit(0);
}

static NORETURN void
show_usage_error(const char *name)
{
	fprintf(stderr, "Try \"%s --help\" for more information.\n", name);
	exit(1);
}

static void
take_option(struct command_line *line, int option, const char *name)
{
	switch (option) {
	case 'd':
		line->options.daemon = true;
		break;
	case 'q':
		line->options.quiet = true;
		break;
	case 'R':
		line->reboot = true;
		break;
	case 'u':
		line->options.user = optarg;
		break;
	case 'v':
		line->options.verbose++;
		break;
	case 't':
		line->test = true;
		break;
	case 'V':
		show_version();
	case 'h':
		show_help(name);
	default:
		show_usage_error(name);
	}
}

static void
read_command_line(struct command_line *line, int argc, char **argv)
{
	int option;

	memset(line, 0, sizeof(*line));
	while ((option = getopt_long(argc, argv, short_options, long_options,
	    NULL)) != -1)
		take_option(line, option, argv[0]);
	if (argc - optind != 1) {
		fprintf(stderr, "%s: no configuration file specified\n",
		    argv[0]);
		show_usage_error(argv[0]);
	}
	line->options.config_path = argv[optind];
}

static int
test_configuration(const struct supervisor_options *options)
{
	const char *path = options->config_path;
	struct files *files = files_live();
	struct error error;
	struct config *config = config_load(files, path, &error);

	files_free(files);
	if (config == NULL || !tls_check(config, &error) ||
	    !boot_check(config, options, &error)) {
		config_free(config);
		fprintf(stderr, "%s\n", error.text);
		if (error.hint[0] != '\0')
			fprintf(stderr, "hint: %s\n", error.hint);
		return 1;
	}
	config_warn_of_no_effect(config);
	printf("configuration file %s is fine\n", path);
	config_free(config);
	return 0;
}

static int
refuse_reboot(const char *name)
{
	fprintf(stderr, "%s: -R (--reboot) is not supported: to restart "
	    "without losing clients,\nstart the new process beside the old "
	    "one with so_reuseport = 1 and another\nunix_socket_dir and "
	    "pidfile, then send SIGTERM to the old one, which exits when\n"
	    "its clients are gone\n", name);
	return 1;
}

/*
 * Where standard error is closed, what is opened first would get its number,
 * and the log.
 */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

static void
choose_early_log(const struct supervisor_options *options)
{
	struct log_settings settings = {
		.verbose = options->verbose,
		.to_stderr = !options->quiet,
		.file_fd = -1,
	};

	log_configure(&settings);
}

int
main(int argc, char **argv)
{
	static const struct supervisor_lives lives = {
		.worker_run = worker_run,
		.helper_run = helper_run,
		.exporter_run = exporter_run,
		.repair_after_death = repair_after_death,
	};
	struct command_line line;

	fill_standard_descriptors();
	read_command_line(&line, argc, argv);
	if (line.reboot)
		return refuse_reboot(argv[0]);
	if (line.test)
		return test_configuration(&line.options);
	choose_early_log(&line.options);
	return supervisor_run(&line.options, &lives);
}
