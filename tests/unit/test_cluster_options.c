/* The command line of the commands for workspaces in a cluster. */
#include "config.h"

#include "cluster_options.h"
#include "test.h"

#include <string.h>

static bool parse(const char *line, struct cluster_options *ret, char **ret_why)
{
	g_autofree char *all = g_strconcat("pycloud ", line, NULL);
	g_auto(GStrv) words = g_strsplit(all, " ", -1);

	*ret_why = NULL;
	return cluster_options_parse(
		(int)g_strv_length(words), words, ret, ret_why);
}

static struct cluster_options parse_good(const char *line)
{
	struct cluster_options o;
	char *why;

	if (!parse(line, &o, &why))
		fail_msg("%s: %s", line, why);
	assert_null(why);
	return o;
}

/* The sentence names what is wrong. */
static void assert_refused(const char *line, const char *word)
{
	struct cluster_options o;
	g_autofree char *why = NULL;

	if (parse(line, &o, &why))
		fail_msg("%s was accepted", line);
	assert_non_null(why);
	if (strstr(why, word) == NULL)
		fail_msg("%s: '%s' does not name %s", line, why, word);
	cluster_options_clear(&o);
}

static void the_commands_are_known(void **state)
{
	(void)state;
	assert_true(cluster_options_has("create"));
	assert_true(cluster_options_has("describe"));
	assert_false(cluster_options_has("run"));
	assert_false(cluster_options_has("--help"));
	assert_false(cluster_options_has(""));
}

static void a_name_is_all_that_is_needed(void **state)
{
	struct cluster_options o = parse_good("create demo");

	(void)state;
	assert_int_equal(o.command, CLUSTER_CREATE);
	assert_string_equal(o.name, "demo");
	assert_true(o.waits);
	assert_int_equal(o.timeout_ms, 600000);
	assert_null(o.image);
	assert_null(o.context);
	cluster_options_clear(&o);
}

static void options_stand_anywhere(void **state)
{
	struct cluster_options o = parse_good(
		"create --image img:1 --cpu=2 demo --memory 1Gi --storage=9Gi "
		"--storage-class fast --no-wait --timeout 7 -n lab --context "
		"c --kubeconfig /k");

	(void)state;
	assert_string_equal(o.name, "demo");
	assert_string_equal(o.image, "img:1");
	assert_string_equal(o.cpu, "2");
	assert_string_equal(o.memory, "1Gi");
	assert_string_equal(o.storage, "9Gi");
	assert_string_equal(o.storage_class, "fast");
	assert_string_equal(o.namespace, "lab");
	assert_string_equal(o.context, "c");
	assert_string_equal(o.kubeconfig, "/k");
	assert_false(o.waits);
	assert_int_equal(o.timeout_ms, 7000);
	cluster_options_clear(&o);
}

static void each_command_has_its_own(void **state)
{
	struct cluster_options o = parse_good("logs demo -f --tail 0 -p");

	(void)state;
	assert_true(o.is_followed);
	assert_true(o.is_previous);
	assert_int_equal(o.tail, 0);
	cluster_options_clear(&o);
	o = parse_good("logs demo");
	assert_int_equal(o.tail, -1);
	cluster_options_clear(&o);
	o = parse_good("delete --keep-files -y demo");
	assert_true(o.keeps_files);
	assert_true(o.is_sure);
	cluster_options_clear(&o);
	o = parse_good("list --json --namespace=lab");
	assert_true(o.is_json);
	assert_null(o.name);
	cluster_options_clear(&o);
	assert_refused("list --image x", "--image");
	assert_refused("stop demo --json", "--json");
	assert_refused("delete demo --tail 3", "--tail");
}

static void a_name_may_say_that_it_is_in_a_cluster(void **state)
{
	struct cluster_options o = parse_good("start kube:demo");

	(void)state;
	assert_string_equal(o.name, "demo");
	cluster_options_clear(&o);
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	assert_refused("create", "which workspace");
	assert_refused("create a b", "b");
	assert_refused("list demo", "demo");
	assert_refused("create demo --frob", "--frob");
	assert_refused("create demo --image", "--image");
	assert_refused("create demo --wait --no-wait", "--no-wait");
}

static void numbers_have_limits(void **state)
{
	(void)state;
	assert_refused("start demo --timeout 0", "--timeout");
	assert_refused("start demo --timeout -1", "-1");
	assert_refused("start demo --timeout 86401", "86401");
	assert_refused("start demo --timeout 1s", "1s");
	assert_refused("start demo --timeout 99999999999999999999", "999");
	assert_refused("logs demo --tail -1", "-1");
	assert_refused("logs demo --tail x", "x");
}

static void help_needs_nothing_else(void **state)
{
	struct cluster_options o = parse_good("create --help");

	(void)state;
	assert_true(o.wants_help);
	cluster_options_clear(&o);
	o = parse_good("logs -h");
	assert_true(o.wants_help);
	cluster_options_clear(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_commands_are_known),
		cmocka_unit_test(a_name_is_all_that_is_needed),
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(each_command_has_its_own),
		cmocka_unit_test(a_name_may_say_that_it_is_in_a_cluster),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(numbers_have_limits),
		cmocka_unit_test(help_needs_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
