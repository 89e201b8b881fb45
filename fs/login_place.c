/* login_place.c - see login_place.h. */
#include "config.h"

#include "login_place.h"

#include "config_file.h"
#include "hub_text.h"
#include "workspace.h"

#include <string.h>

static bool take_hub(const char *spec, struct login_place *p, char **ret_why)
{
	struct hub_spec parsed;

	if (hub_spec_parse(spec, &parsed, ret_why) < 0)
		return false;
	p->is_hub = true;
	p->server = g_strdup(parsed.base_url);
	p->api = g_strconcat(parsed.base_url, "/hub/api", NULL);
	if (p->user == NULL)
		p->user = g_strdup(parsed.user);
	hub_spec_clear(&parsed);
	return true;
}

/* A URL alone is of a server; its provider takes pages off its end. */
static bool take_url(const char *spec, struct login_place *p, char **ret_why)
{
	struct workspace *workspace;

	if (!g_str_has_prefix(spec, "http://") &&
		!g_str_has_prefix(spec, "https://")) {
		*ret_why = g_strdup_printf(
			"there is no login to %s: it is no URL, and stands for "
			"none in pycloud.conf(5); a workspace of this computer "
			"needs none, and a cluster's is kubectl's matter",
			p->shown);
		return false;
	}
	if (workspace_parse(spec, NULL, &workspace, ret_why) < 0)
		return false;
	p->server = g_strdup(workspace->name);
	p->api = g_strdup(workspace->name);
	workspace_free(workspace);
	return true;
}

static bool take_files(const struct login_options *o, struct options *options,
	char **ret_spec, char **ret_why)
{
	struct config_file *config = config_file_new();
	bool is_good;

	if (o->config != NULL)
		options->config_file = g_strdup(o->config);
	is_good = config_file_read_system(config, options, o->spec, ret_why) &&
		  config_file_read_own(config, options, o->spec, ret_why) &&
		  config_file_apply(config, options, ret_why);
	*ret_spec = g_strdup(is_good && config_file_url(config) != NULL
				     ? config_file_url(config)
				     : o->spec);
	config_file_free(config);
	return is_good;
}

bool login_place_find(
	const struct login_options *o, struct login_place *ret, char **ret_why)
{
	g_autofree char *spec = NULL;
	struct options options;
	bool is_good;

	*ret = (struct login_place){ .shown = g_strdup(o->spec),
		.user = g_strdup(o->user) };
	options_init(&options);
	is_good = take_files(o, &options, &spec, ret_why);
	ret->is_insecure = o->is_insecure || options.is_insecure;
	ret->has_command = options.token_command != NULL;
	ret->ca_file =
		g_strdup(o->ca_file != NULL ? o->ca_file : options.ca_file);
	ret->file =
		g_strdup(o->file != NULL ? o->file : options.credentials_file);
	options_clear(&options);
	if (!is_good)
		return false;
	return hub_is_spec(spec) ? take_hub(spec, ret, ret_why)
				 : take_url(spec, ret, ret_why);
}

void login_place_clear(struct login_place *p)
{
	g_clear_pointer(&p->server, g_free);
	g_clear_pointer(&p->api, g_free);
	g_clear_pointer(&p->shown, g_free);
	g_clear_pointer(&p->user, g_free);
	g_clear_pointer(&p->ca_file, g_free);
	g_clear_pointer(&p->file, g_free);
}

struct token_place login_place_trial(const struct login_place *p)
{
	return (struct token_place){
		.base_url = p->api,
		.target = p->is_hub ? TOKEN_TARGET_HUB : TOKEN_TARGET_SERVER,
		.ca_file = p->ca_file,
		.is_insecure = p->is_insecure,
	};
}
